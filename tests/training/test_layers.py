"""The layer table of a network: every weight counted once, shapes as the papers print them, and no weights drawn."""

from dataclasses import replace

import pytest
import tiny_encoders
import torch

from experiments.mfcc_networks import study as small_networks
from experiments.multilabel import study as images
from experiments.segments import study as segments
from ser import registry
from ser.models import traits
from ser.study import part, trial_of
from ser.study.settings import values_of
from ser.training.network import Network, layers, layers_of

NETWORKS = [name for name in registry.names("models") if traits(name).is_network]


def printed_trial(study, block, **point):
    corpora = {c.name: c for c in study.corpora}
    return trial_of(study, {"corpora": tuple(corpora), "block": block, **point}, corpora, seed=0)


def shapes(table):
    return [(layer.name, layer.output, layer.parameters + layer.averaged) for layer in table]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_of_a_network_is_in_one_line(name):
    width, settings, _ = tiny_encoders.example(name)
    pooling = "mean_var" if traits(name).gives == "frames" else "none"
    network = Network(width, part(name, **values_of(settings)), pooling, 4, "float32", ("speech", "song"))
    table = layers(network)
    assert len({layer.name for layer in table[-2:]}) == 2
    for learns in (True, False):
        count = sum(layer.parameters if learns else layer.frozen for layer in table)
        assert count == sum(p.numel() for p in network.parameters() if p.requires_grad is learns)
    averaged = sum(b.numel() for b in network.block.buffers() if b.is_floating_point())
    assert sum(layer.averaged for layer in table) == (0 if name == "vgg" else averaged)  # its buffers are constants


def test_the_small_networks_have_tables_3_and_4():
    table = shapes(layers_of(printed_trial(small_networks, "cnn1d"), 80))
    assert table == [
        ("C1", "78 × 20", 80),
        ("S1", "26 × 20", 0),
        ("D1", "26 × 20", 0),
        ("C2", "24 × 10", 610),
        ("S2", "8 × 10", 0),
        ("S3", "10", 0),
        ("head", "8", 88),
    ]
    table = shapes(layers_of(printed_trial(small_networks, "rnn"), 80))
    assert table == [("SimpleRNN", "80 × 16", 288), ("GlobalAveragePooling1D", "16", 0), ("head", "8", 136)]


def test_the_network_of_images_has_figure_3():
    table = shapes(layers_of(printed_trial(images, "cnn2d"), 200))
    assert sum(count for _, _, count in table) == 8_717_065
    assert table[:4] == [
        ("input", "200 × 278 × 1", 0),
        ("convolution 3 × 3, ReLU", "198 × 276 × 200", 2_000),
        ("max pooling 2 × 2", "99 × 138 × 200", 0),
        ("batch normalisation", "99 × 138 × 200", 800),
    ]
    assert table[-4:] == [
        ("dense, ReLU, dropout 0.5", "512", 7_680_512),
        ("dense, ReLU, dropout 0.5", "256", 131_328),
        ("dense, ReLU, dropout 0.5", "512", 131_584),
        ("head", "7", 3_591),
    ]


def test_vggish_has_table_2():
    table = shapes(layers_of(printed_trial(segments, "vggish"), 64))
    assert sum(count for _, _, count in table) == 72_167_788
    outputs = {name: output for name, output, _ in table}
    assert list(outputs)[:5] == ["input", "conv1", "pool1", "conv2", "pool2"]
    assert (outputs["pool4"], outputs["flatten"], outputs["fc3"]) == ("512 × 6 × 4", "1 × 12288", "1 × 200")


def test_no_random_number_is_taken():
    before, trial = torch.get_rng_state(), printed_trial(segments, "mlp")
    assert layers_of(replace(trial, task="multi"), 64)[-1].name == "head iemocap"
    assert torch.equal(torch.get_rng_state(), before)
