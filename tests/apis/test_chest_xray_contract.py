"""The fake Triton is as strict as the model's config.pbtxt, so that a test with it tells of the real one."""

import asyncio

import numpy as np
import pytest

from gateway.apis.chest_xray.canary import canary_film
from gateway.apis.chest_xray.schema import SingleInference
from gateway.errors import InferenceFailed
from tests.fakes.triton import ContractBroken, FakeTriton, chest_xray_answer

FILM = np.frombuffer(canary_film(), np.uint8)[np.newaxis]
GATE_OFF = {"gate": "off"}


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        ("chest_xray", {}),
        ("chest_xray", {"image": FILM}),  # another name
        ("chest_xray", {"dicom": FILM, "more": FILM}),
        ("chest_xray", {"dicom": FILM.astype(np.int32)}),  # another dtype
        ("chest_xray", {"dicom": FILM[0]}),  # no batch axis
        ("chest_xray", {"dicom": FILM[np.newaxis]}),  # an axis more
        ("chest_xray", {"dicom": np.concatenate([FILM, FILM])}),  # more than max_batch_size
        ("chest_xray_classifier", {"image": np.zeros((1, 1, 3, 3), np.float32)}),  # another size
        ("absent", {"dicom": FILM}),
    ],
    ids=range(9),
)
async def test_refuses_inputs_that_the_config_does_not_have(model, inputs):
    triton = FakeTriton({"chest_xray": chest_xray_answer()})
    with pytest.raises(ContractBroken):
        await triton.infer(model, inputs)
    assert triton.broken
    assert not triton.calls


@pytest.mark.parametrize(
    "spoil",
    [
        lambda outputs: outputs.pop("study"),
        lambda outputs: outputs.update(more=FILM),
        lambda outputs: outputs.update(source_png=outputs["source_png"].astype(np.int32)),
        lambda outputs: outputs.update(prediction=outputs["prediction"][0]),
        lambda outputs: outputs.update(prediction=np.array([["text"]], np.object_)),  # bytes are asked for
    ],
    ids=range(5),
)
async def test_refuses_answers_that_the_config_does_not_have(spoil):
    def answer(inputs, parameters):
        outputs = dict(chest_xray_answer()(inputs, parameters))
        spoil(outputs)
        return outputs

    with pytest.raises(ContractBroken):
        await FakeTriton({"chest_xray": answer}).infer("chest_xray", {"dicom": FILM}, parameters=GATE_OFF)


async def test_refuses_an_output_that_is_not_there(triton):
    with pytest.raises(ContractBroken):
        await triton.infer("chest_xray", {"dicom": FILM}, outputs=["mask"], parameters=GATE_OFF)
    triton.broken.clear()


async def test_gives_the_outputs_that_are_asked_for(triton):
    outputs = await triton.infer("chest_xray", {"dicom": FILM}, outputs=["study"], parameters=GATE_OFF)
    assert list(outputs) == ["study"]


async def test_the_canary_comes_back(service, triton):
    await service.canary()
    assert triton.calls[0].parameters == GATE_OFF


async def test_a_canary_without_its_findings_has_not_come_back(service, triton):
    answer = triton.answers["chest_xray"]

    def without_findings(inputs, parameters):
        outputs = dict(answer(inputs, parameters))
        document = outputs["prediction"][0, 0].replace(b"Cardiomegaly", b"Something")
        return {**outputs, "prediction": np.array([[document]], np.object_)}

    triton.answers["chest_xray"] = without_findings
    with pytest.raises(InferenceFailed):
        await service.canary()


async def test_the_canary_waits_for_no_turn(make_service, triton, write_film):
    """Behind a queue of films it would tell of the queue and not of the pipeline."""
    service = make_service(in_flight=1)
    working, go_on = triton.answers["chest_xray"], asyncio.Event()

    async def slow(inputs, parameters):
        if parameters["gate"] == "on":
            await go_on.wait()
        return working(inputs, parameters)

    triton.answers["chest_xray"] = slow
    asked = SingleInference(str(write_film()), None, save_to_disk=False, returns_data=True, patient_id=None)
    film = asyncio.create_task(service.single_inference(asked))
    await asyncio.sleep(0.01)
    await asyncio.wait_for(service.canary(), 5)
    go_on.set()
    await film
