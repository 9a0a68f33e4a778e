"""One package is installed, ``ser``: the studies and profiles, which lie beside it in a checkout, come along inside."""

from setuptools import find_packages, setup

INSIDE = {"ser.experiments": "experiments", "ser.cluster": "cluster"}

setup(packages=[*find_packages(include=["ser", "ser.*"]), *INSIDE], package_dir=INSIDE)
