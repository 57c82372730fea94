"""Processor time and memory of processes."""

import subprocess
import sys
import time

import pytest

from realhands_ros.demo.trial import LoadSampler, _Sample

_BUSY = 'x = bytearray(80_000_000)\nprint("up", flush=True)\nwhile True: pass'
_IDLE = 'import time\nprint("up", flush=True)\ntime.sleep(60)'


def test_a_busy_process_is_told_from_an_idle_one():
    processes = {
        name: subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE)
        for name, program in {'busy': _BUSY, 'idle': _IDLE}.items()
    }
    try:
        for process in processes.values():
            process.stdout.readline()
        with LoadSampler({name: p.pid for name, p in processes.items()}) as sampler:
            time.sleep(1.2)
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    loads = sampler.loads()
    assert loads['busy'].cpu_percent > 5 * loads['idle'].cpu_percent
    assert loads['busy'].cpu_percent > 10
    assert loads['busy'].peak_mb > 80


def test_what_was_before_and_after_does_not_count():
    sampler = LoadSampler({})
    # Busy for ten seconds, then half busy for ten, then idle.
    sampler._samples['node'] = [
        _Sample(float(t), min(t, 10) + 0.5 * min(max(t - 10, 0), 10), 100.0 - t) for t in range(40)
    ]
    load = sampler.loads(10.0, 20.0)['node']
    assert load.cpu_percent == pytest.approx(50.0)
    assert load.peak_mb == 100.0
    assert sampler.loads(100.0, 200.0)['node'].cpu_percent == 0.0


def test_a_process_that_is_gone_is_no_error():
    gone = subprocess.Popen([sys.executable, '-c', ''])
    gone.wait()
    with LoadSampler({'gone': gone.pid}) as sampler:
        pass
    assert all(load.cpu_percent == 0 for load in sampler.loads().values())
