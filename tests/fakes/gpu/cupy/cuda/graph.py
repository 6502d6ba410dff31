class Graph:
    def __init__(self, works) -> None:
        self._works = works

    def launch(self, stream=None) -> None:
        for work in self._works:
            stream._queue(work)
