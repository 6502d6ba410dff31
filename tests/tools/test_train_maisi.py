"""Training MAISI's small networks, for a step."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from tools.train.maisi import volumes

SHIPPED = Path(__file__).parents[2] / "model_repository"


@pytest.fixture
def small_volumes(monkeypatch):
    """Draw volumes of 96 by 96 by 64."""
    monkeypatch.setattr(volumes, "MAX_SIDE", 96)
    monkeypatch.setattr(volumes, "SLICES", 64)


def test_volumes_are_drawn_once_and_again_the_same(small_volumes, tmp_path):
    first, again = (volumes.volumes(tmp_path / folder, 3, volumes.LEARNT, 1)[0] for folder in "ab")
    assert first.labels.shape == first.image_hu.shape == (96, 96, 64)
    assert first.labels.tobytes() == again.labels.tobytes()
    assert first.image_hu.tobytes() == again.image_hu.tobytes()
    np.save(tmp_path / "a" / "3_0_0.hu.npy", np.zeros((1, 1, 1), np.int16))
    assert volumes.volumes(tmp_path / "a", 3, volumes.LEARNT, 1)[0].image_hu.shape == (1, 1, 1)


def test_held_out_volumes_are_others(small_volumes):
    learnt, held_out = (
        volumes.draw(np.random.default_rng([0, purpose, 0]), ("chest",))
        for purpose in (volumes.LEARNT, volumes.HELD_OUT)
    )
    assert (learnt.labels != held_out.labels).any()


def test_a_short_training_writes_graphs_of_the_same_contract(small_volumes, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed")
    from tools.train.maisi import autoencoder_training, flow_training, hint_training, training

    monkeypatch.setattr(autoencoder_training, "PIECES", ((1, 32, 32, 32),) * 3)
    monkeypatch.setattr(flow_training, "PIECES", ((1, 16, 16, 16),) * 4)
    monkeypatch.setattr(autoencoder_training, "WINDOWS", ((12, 12, 12),) * 2)
    monkeypatch.setattr(hint_training, "SIDE", 12)
    effort = training.Effort(
        volumes=2, autoencoder_steps=2, hint_steps=2, flow_steps=2, decoder_steps=2, held_out=1
    )
    training.train(tmp_path, seed=5, effort=effort)
    document = json.loads((tmp_path / "figures.json").read_text())
    assert document["figures"]["count"] == 1
    assert (tmp_path / "contact_sheet.jpg").exists()
    for graph in ("maisi_latent/1/hint.onnx", "maisi_latent/1/velocity.onnx", "maisi_decode/1/decoder.onnx"):
        written, shipped = (onnx.load(root / graph).graph for root in (tmp_path, SHIPPED))
        for own, other in ((written.input, shipped.input), (written.output, shipped.output)):
            assert [(each.name, each.type) for each in own] == [(each.name, each.type) for each in other]
        # Weights that two steps left equal are stored once, and reached through Identity.
        kinds = [{each.op_type for each in graph.node} - {"Identity"} for graph in (written, shipped)]
        assert kinds[0] == kinds[1]


def test_the_inside_of_a_structure_is_what_a_uniform_volume_gives():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from gateway.imaging.maisi.conditioning import label_bits
    from tools.train.maisi import hint_training
    from tools.train.maisi.diffusion import HintEmbedding

    torch.manual_seed(2)
    embedding, head = HintEmbedding((4, 8, 8), 8), torch.nn.Conv3d(8, 4, 1)
    embedding.conv_out.conv.reset_parameters()
    for label in (1, 93, 200):
        volume = torch.from_numpy(label_bits(np.full((48, 48, 48), label, np.uint8))[None])
        bits = torch.from_numpy(label_bits(np.array([label], np.uint8))).T
        with torch.inference_mode():
            whole = head(embedding(volume))
            alone = hint_training._of_uniform(embedding, head, bits)
        torch.testing.assert_close(whole[0, :, 6, 6, 6], alone[0], atol=1e-5, rtol=1e-4)


def test_insides_are_where_all_voxels_agree():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from tools.train.maisi import hint_training

    labels = np.zeros((16, 16, 16), np.uint8)
    labels[8:] = 7
    labels[8, 0, 0] = 9  # a voxel of the latent that is not inside of anything
    latent = torch.zeros(4, 4, 4, 4)
    latent[:, 2:] = torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None, None]
    latent[:, 2, 0, 0] = 100
    indices, means = hint_training.insides([latent], [labels])
    assert indices.tolist() == [0, 7]
    assert means.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4]]


def test_pieces_lie_about_any_structure():
    pytest.importorskip("torch", reason="torch is not installed")
    from tools.train.maisi.autoencoder_training import cells_about_a_structure

    labels = np.zeros((64, 64, 32), np.uint8)
    labels[44:, 44:, 20:] = 5  # a hundredth of the volume, in a corner
    rng = np.random.default_rng(1)
    drawn = [cells_about_a_structure(labels, (4, 4, 4), rng) for _ in range(60)]
    assert all(each.stop - each.start == 4 for cells in drawn for each in cells)
    assert all(
        cells[0].stop <= 16 and cells[2].stop <= 8 and min(c.start for c in cells) >= 0 for cells in drawn
    )
    about = [labels[tuple(slice(4 * c.start, 4 * c.stop) for c in cells)].max() == 5 for cells in drawn]
    assert sum(about) > 20
