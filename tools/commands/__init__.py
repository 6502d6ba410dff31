"""Groups of the `radgate` command. What they run is imported only when it is called."""
