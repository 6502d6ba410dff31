"""How a model answers its requests."""

import json
import sys

import numpy as np
import pytest

from gateway.imaging.errors import WrongContent
from gateway.triton import backend
from tests.fakes import triton_python_backend_utils as fake


@pytest.fixture(autouse=True)
def pb_utils(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", fake)
    fake.Logger.lines.clear()
    return fake


def test_hands_tensors_over_by_name_without_the_batch_axis():
    request = fake.InferenceRequest(left=np.array([[1, 2]]), right=np.array([[3, 4]]))
    (answer,) = backend.respond([request], lambda left, right: {"total": left + right})
    assert answer.error is None
    assert answer.tensors["total"].tolist() == [[4, 6]]


def test_one_bad_request_does_not_spoil_the_others():
    def refuse_odd(value):
        if value[0] % 2:
            raise WrongContent("odd")
        return {"value": value}

    requests = [fake.InferenceRequest(value=np.array([[n]])) for n in range(4)]
    answers = backend.respond(requests, refuse_odd)
    assert [answer.error is None for answer in answers] == [True, False, True, False]
    assert (answers[1].error.code, answers[1].error.message) == ("INVALID_ARG", "odd")


def test_keeps_what_broke_to_the_log_and_patient_data_out_of_both():
    def break_down(value):
        raise RuntimeError(value)

    (answer,) = backend.respond([fake.InferenceRequest(value=np.array([["Doe^John"]]))], break_down)
    assert (answer.error.code, answer.error.message) == ("INTERNAL", "the model failed")
    assert "RuntimeError" in fake.Logger.lines[0]
    assert "break_down" in fake.Logger.lines[0]
    assert "Doe" not in fake.Logger.lines[0]


def test_gives_the_parameters_to_those_who_ask():
    request = fake.InferenceRequest({"gate": "off"}, value=np.array([[1]]))
    seen = {}

    def keep(value, parameters):
        seen.update(parameters)
        return {"value": value}

    backend.respond([request], keep, with_parameters=True)
    assert seen == {"gate": "off"}


def test_joins_requests_to_one_batch_and_splits_the_answer():
    calls = []

    def double(tensors):
        calls.append(tensors["value"].shape)
        return {"value": tensors["value"] * 2}

    requests = [fake.InferenceRequest(value=np.full((rows, 3), rows)) for rows in (1, 2, 1)]
    answers = backend.respond_batched(requests, double)
    assert calls == [(4, 3)]
    assert [answer.tensors["value"].tolist() for answer in answers] == [
        [[2, 2, 2]],
        [[4, 4, 4], [4, 4, 4]],
        [[2, 2, 2]],
    ]


@pytest.mark.parametrize(
    "broken", [lambda tensors: 1 / 0, lambda tensors: None], ids=["raises", "no tensors"]
)
def test_a_batch_that_fails_is_refused_as_a_whole_and_raises_nothing(broken):
    requests = [fake.InferenceRequest(value=np.ones((1, 3))) for _ in range(2)]
    answers = backend.respond_batched(requests, broken)
    assert [(answer.error.code, answer.error.message) for answer in answers] == [
        ("INTERNAL", "the model failed")
    ] * 2


def test_packs_json_and_bytes():
    assert json.loads(backend.text({"name": "山田"})[0]) == {"name": "山田"}
    assert backend.octets(b"\x01\x02").tolist() == [1, 2]


def test_shows_what_runs_a_network(pb_utils):
    kept = backend.report_runtime("vhs_landmarks", "cpu")
    assert kept
    assert pb_utils.MetricFamily.shown == {
        ("radgate_network_runtime", ("model", "vhs_landmarks"), ("runtime", "cpu")): 1
    }
