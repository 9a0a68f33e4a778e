"""The dual encoder: its sizes, what it makes of an utterance's speech and words, and what it learns from either."""

import numpy as np
import pytest
import torch
from component_settings import stated, with_values
from torch import nn

from ser.frontends._speech_text_rows import joined
from ser.models import mdre

PAPER = {"modality": "both", "audio_units": 200, "audio_dropout": 0.3, "text_units": 200, "text_dropout": 0.7}
PAPER |= {"buckets": 32768, "embedding": 300}
SMALL = mdre.example()[1]


def small(**changed):
    torch.manual_seed(0)
    return mdre.build(40, with_values(SMALL, **changed))


def utterance(frames, words, seed=0):
    rng = np.random.default_rng([seed, frames])
    prosody = rng.standard_normal(35).astype(np.float32)
    return torch.from_numpy(joined(rng.standard_normal((frames, 39)).astype(np.float32), prosody, words))


def together(net, some):
    return net(torch.cat(some), torch.tensor([len(u) for u in some]))


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_papers_encoders_have_the_papers_sizes():
    nets = {
        modality: mdre.build(40, stated(mdre, **PAPER | {"modality": modality}))
        for modality in ("both", "audio", "text")
    }
    audio = 3 * 200 * (39 + 200 + 2) + 2 * (39 + 35)
    text = 32768 * 300 + 3 * 200 * (300 + 200 + 2)
    assert {name: net.outputs for name, net in nets.items()} == {"both": 117 + 100, "audio": 235, "text": 200}
    assert count(nets["audio"]) == audio
    assert count(nets["text"]) == text
    assert count(nets["both"]) == audio + text + (235 * 117 + 117) + (200 * 100 + 100)


def test_it_is_the_last_states_of_two_grus_and_prosody_each_through_half():
    net = small().eval()
    audio, text = net.encoders
    for norm in (audio.frame_norm, audio.prosody_norm):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    some = [utterance(7, [3, 9, 3]), utterance(2, []), utterance(12, [0])]
    expected = []
    for rows, words in zip(some, ([3, 9, 3], [], [0]), strict=True):
        n = len(rows) - 1 - len(words)
        heard = audio.gru(audio.frame_norm(rows[:n, 1:]))[0][-1]
        heard = torch.cat([heard, audio.prosody_norm(rows[n : n + 1, 1:36])[0]])
        read = text.gru(text.embedding(torch.tensor(words)))[0][-1] if words else torch.zeros(4)
        expected.append(torch.cat([net.halves[0](heard), net.halves[1](read)]))
    torch.testing.assert_close(together(net, some), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_one_modality_is_its_state_as_it_is_and_blind_to_the_other():
    some, unsaid = [utterance(5, [1, 2]), utterance(9, [4])], [utterance(5, []), utterance(9, [])]
    hearing, reading = (small(modality=modality).eval() for modality in ("audio", "text"))
    torch.testing.assert_close(together(hearing, some), together(hearing, unsaid))
    assert together(hearing, some).shape == (2, 5 + 35)
    assert not together(reading, unsaid).any()
    assert together(reading, some).any()
    torch.testing.assert_close(together(reading, some), together(reading, [utterance(3, [1, 2]), utterance(1, [4])]))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("modality", ["both", "audio", "text"])
def test_a_single_utterance_and_one_of_a_single_frame_can_be_learnt_from(modality, training):
    net = small(modality=modality).train(training)
    for some in ([utterance(1, [2])], [utterance(6, [2, 3])]):
        net.zero_grad()
        out = together(net, some)
        assert out.isfinite().all()
        out.square().sum().backward()
        assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


def test_a_batch_without_any_word_trains_what_hears():
    net = small()
    together(net, [utterance(6, []), utterance(3, [])]).square().sum().backward()
    audio, text = net.encoders
    assert all(p.grad.abs().sum() > 0 for p in audio.gru.parameters())
    assert all(p.grad is None or not p.grad.any() for p in text.parameters())


def test_the_width_of_the_cepstra_is_the_rows():
    net = mdre.build(53, SMALL)
    rows = torch.from_numpy(joined(np.ones((4, 52), np.float32), np.ones(35, np.float32), [1]))
    assert together(net, [rows, rows]).shape == (2, net.outputs)


def test_numbers_of_words_beyond_the_buckets_count_modulo():
    net = small(modality="text").eval()
    torch.testing.assert_close(together(net, [utterance(2, [1, 5])]), together(net, [utterance(2, [12, 16])]))


def test_dropout_is_of_the_inputs_and_in_training_alone():
    some = [utterance(6, [1, 2, 3])]
    for modality in ("audio", "text"):
        net = small(modality=modality)
        net.eval()
        state = together(net, some)
        assert torch.equal(together(net, some), state)
        net.train()
        assert not torch.equal(together(net, some), together(net, some))


@pytest.mark.parametrize("modality", ["both", "audio", "text"])
@pytest.mark.parametrize("clue", ["frames", "words"])
def test_it_learns_from_what_it_hears_and_from_what_is_said(modality, clue):
    labels = torch.arange(96) % 2
    heard, said = clue == "frames", clue == "words"
    some = [utterance(8, [i % 5, i % 3, 6 + said * int(c)], seed=heard * i) for i, c in enumerate(labels)]
    for x, c in zip(some, labels, strict=True):
        x[:8, 1:20] += heard * (2 * c - 1)
    net = small(modality=modality, audio_dropout=0.0, text_dropout=0.0)
    head = nn.Linear(net.outputs, 2)
    optimiser = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        nn.functional.cross_entropy(head(together(net, some[:64])), labels[:64]).backward()
        optimiser.step()
    right = (head(together(net.eval(), some)).argmax(1) == labels).float()
    deaf = (modality, clue) in (("audio", "words"), ("text", "frames"))
    assert right[64:].mean() < 0.8 if deaf else right[64:].mean() > 0.9
