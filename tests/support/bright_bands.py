"""Made images that a network for spectrograms should learn to tell apart: one of three bands is brighter, in noise."""

import torch
from component_settings import with_values
from torch import nn

CLASSES = 3


def draw(count, frames, width, make):
    labels = torch.arange(count) % CLASSES
    images = torch.randn(count, frames, width, generator=make)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, label * width // CLASSES : (label + 1) * width // CLASSES] += 2
    return images.reshape(-1, width), torch.full((count,), frames), labels


def share_told_apart(module, updates, rate, **changed):
    """How many of 60 new images the example of ``module`` recognises after so many updates with Adam."""
    width, settings, frames = module.example()
    torch.manual_seed(0)
    make = torch.Generator().manual_seed(0)
    block = module.build(width, with_values(settings, **changed))
    head = nn.Linear(block.outputs, CLASSES)
    optimiser = torch.optim.Adam([*block.parameters(), *head.parameters()], lr=rate)
    for _ in range(updates):
        optimiser.zero_grad()
        images, lengths, labels = draw(24, frames, width, make)
        nn.functional.cross_entropy(head(block(images, lengths)), labels).backward()
        optimiser.step()
    block.eval()
    images, lengths, labels = draw(60, frames, width, make)
    return (head(block(images, lengths)).argmax(1) == labels).float().mean().item()
