"""What a trial takes of its machine: processor and memory of the process, and a GPU by its driver's own library."""

from types import SimpleNamespace

import pytest

from ser.trials import usage
from ser.trials.usage import Usage


@pytest.fixture
def clocks(monkeypatch):
    """Seconds of the wall and of the processor, as the test sets them."""
    now = SimpleNamespace(wall=100.0, processor=7.0)
    monkeypatch.setattr(usage.time, "monotonic", lambda: now.wall)
    monkeypatch.setattr(usage.time, "process_time", lambda: now.processor)
    return now


def test_epochs_carry_measurements_ten_seconds_apart_and_each_is_of_the_time_since_the_last(clocks):
    used = Usage()
    clocks.wall, clocks.processor = 109.0, 9.0
    assert used.due() == {}
    clocks.wall, clocks.processor = 110.0, 12.0
    assert used.due()["system/cpu_utilization_percentage"] == pytest.approx(50)
    clocks.wall, clocks.processor = 120.0, 37.0  # two cores and a half
    assert used.due()["system/cpu_utilization_percentage"] == pytest.approx(250)
    assert used.at_end() == {}


def test_a_fast_trial_is_measured_once_at_its_end(clocks):
    used = Usage()
    clocks.wall, clocks.processor = 102.0, 8.0
    values = used.at_end()
    assert values["system/cpu_utilization_percentage"] == pytest.approx(50)
    assert values["system/memory_usage_megabytes"] > 10  # Python alone takes more
    assert used.at_end() == {}


class Driver:
    """The calls of NVIDIA's library that are used, of one GPU that is 37 % busy."""

    def nvmlDeviceGetHandleByUUID(self, uuid, handle):  # as the library names it
        return 0 if uuid == b"GPU-abc" else 6

    def nvmlDeviceGetUtilizationRates(self, handle, rates):
        rates._obj.gpu = 37
        return 0


def test_a_gpu_is_found_by_its_uuid_and_one_that_does_not_tell_is_left_out(monkeypatch):
    monkeypatch.setattr(usage.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(usage.torch.cuda, "mem_get_info", lambda device: (3 * 2**20, 10 * 2**20))
    monkeypatch.setattr(usage.torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="abc"))
    monkeypatch.setattr(usage, "_library", Driver)
    values = Usage("cuda").at_end()
    assert values["system/gpu_0_memory_usage_megabytes"] == 7
    assert values["system/gpu_0_utilization_percentage"] == 37
    monkeypatch.setattr(usage.torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="other"))
    assert "system/gpu_0_utilization_percentage" not in Usage("cuda").at_end()
    monkeypatch.setattr(usage, "_library", lambda: None)
    assert "system/gpu_0_memory_usage_megabytes" in Usage("cuda").at_end()
