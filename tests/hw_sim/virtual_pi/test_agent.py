"""Both ends of the agent: the host's class and the guest's own program, on a pseudo-terminal instead of a serial line."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator

import pytest

from hw_sim.virtual_pi.agent import Agent, Answer
from hw_sim.virtual_pi.errors import VirtualPiError
from hw_sim.virtual_pi.image import GUEST

PROGRAM = GUEST / "root/usr/local/lib/virtual-pi/agent.py"


@pytest.fixture
def agent() -> Iterator[Agent]:
    """The guest's program on a pty whose other side is carried to and from the host's socket."""
    host = Agent()
    master, slave = os.openpty()
    tty.setraw(slave)
    guest = subprocess.Popen([sys.executable, PROGRAM, os.ttyname(slave)], start_new_session=True)

    def carry(source: int, target: int) -> None:
        try:
            while data := os.read(source, 4096):
                os.write(target, data)
        except OSError:
            return  # one side was closed: the test is over

    socket = os.dup(host.guest_end.fileno())
    threads = [threading.Thread(target=carry, args=ends, daemon=True) for ends in ((master, socket), (socket, master))]
    for thread in threads:
        thread.start()
    host.guest_end.close()
    yield host
    host.close()
    guest.kill()
    guest.wait()
    os.close(slave)
    for thread in threads:
        thread.join(10)
    os.close(master)
    os.close(socket)


def test_it_says_which_boot_it_is_and_runs_what_it_is_told(agent: Agent) -> None:
    boot_id = agent.wait_ready(20)
    assert boot_id is not None
    assert len(boot_id) == 36
    assert agent.call("echo 中文; exit 3", 10) == Answer(3, "中文\n")
    big = agent.call("head -c 300000 /dev/zero | tr '\\0' x", 20)
    assert (big.status, len(big.output)) == (0, 300000)


def test_a_long_command_does_not_keep_the_others_waiting(agent: Agent) -> None:
    assert agent.wait_ready(20)
    slow: list[Answer] = []
    caller = threading.Thread(target=lambda: slow.append(agent.call("exec sleep 31", 60)))
    caller.start()
    assert agent.call("echo quick; until pkill -x -f 'sleep 31'; do :; done", 20).output == "quick\n"
    caller.join(20)
    assert len(slow) == 1


def test_what_does_not_end_is_ended(agent: Agent) -> None:
    assert agent.wait_ready(20)
    with pytest.raises(VirtualPiError, match="did not end in time"):
        agent.call("sleep 60", 0.2)
    assert agent.call("true", 10).status == 0


def test_a_machine_that_goes_off_answers_nothing() -> None:
    host = Agent()
    host.guest_end.close()
    with pytest.raises(VirtualPiError, match=r"off: true"):
        host.call("true", 30)
    assert host.wait_ready(30) is None
    host.close()
