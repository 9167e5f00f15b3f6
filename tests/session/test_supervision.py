from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from recorder.channel.messages import Progress
from recorder.session.supervision import (
    BLIND_US,
    CONNECT_MOST_US,
    WARM_STARTS,
    KillWorker,
    Launch,
    Limits,
    Order,
    Phase,
    WorkerSupervisor,
)

SECOND = 1_000_000
LIMITS = Limits(
    progress_timeout_us=2 * SECOND,
    late_start_us=5 * SECOND,
    connect_timeout_us=10 * SECOND,
    start_timeout_us=10 * SECOND,
    backoff_us=100_000,
    backoff_max_us=10 * SECOND,
)


def progress(frames: int, entries: int = 0, recording: bool = False, last_frame_us: int = 0) -> Progress:
    return Progress(
        camera_id="cam0",
        at_us=0,
        frames=frames,
        entries=entries,
        recording=recording,
        last_frame_us=last_frame_us,
        dropped_frames=0,
        buffer_bytes=0,
        lux=None,
    )


class Bench:
    """Ticks each 0.1 s; ``frames``/``entries`` grow by the given rates a tick."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.supervisor = WorkerSupervisor(limits)
        self.now = 0
        self.orders: list[tuple[int, Order]] = []
        self.frames = self.entries = 0
        self.recording = False

    def run(self, seconds: float, frames: int | None = 3, entries: int = 1) -> None:
        """``frames`` None: no reports at all."""
        for _ in range(round(seconds * 10)):
            self.now += SECOND // 10
            if frames is not None:
                self.frames += frames
                self.entries += entries if self.recording else 0
                self.supervisor.progress(progress(self.frames, self.entries, self.recording), self.now)
            order = self.supervisor.tick(self.now)
            if order is not None:
                self.orders.append((self.now, order))

    def up(self) -> None:
        self.run(0.1, None)
        self.supervisor.hello(self.now)
        self.run(1)

    def last(self) -> Order:
        return self.orders[-1][1]

    def die(self, detail: str = "exit status 1") -> None:
        self.supervisor.note_exit(detail)
        self.supervisor.exited(self.now)
        self.frames = self.entries = 0


def test_it_launches_at_once_and_runs_quietly() -> None:
    bench = Bench()
    bench.up()
    bench.recording = True
    bench.run(60)
    assert [type(order) for _, order in bench.orders] == [Launch]
    assert bench.supervisor.phase is Phase.RUNNING and bench.supervisor.restarts == 0


def test_it_becomes_ready_with_the_first_frames_and_only_once() -> None:
    supervisor = WorkerSupervisor(LIMITS)
    supervisor.tick(0)
    supervisor.hello(1)
    assert not supervisor.progress(progress(0), 2)
    assert supervisor.progress(progress(1), 3)
    assert not supervisor.progress(progress(2), 4)


def test_frames_that_stop_growing_are_noticed_within_the_limit() -> None:
    bench = Bench()
    bench.up()
    stalled = bench.now
    bench.run(3, frames=0)
    at, order = bench.orders[-1]
    assert isinstance(order, KillWorker) and order.cause == "camera-stall"
    assert at - stalled <= 2.2 * SECOND


def test_the_limit_counts_from_the_last_frame_not_from_its_report() -> None:
    supervisor = WorkerSupervisor(LIMITS)
    killed = None
    for now in range(0, 4 * SECOND, 50_000):
        if now == SECOND + 450_000:
            supervisor.progress(progress(30, last_frame_us=SECOND), now)
        if isinstance(supervisor.tick(now), KillWorker):
            killed = now
            break
    assert killed is not None and killed - SECOND <= 2_050_000


def test_a_driver_with_another_clock_is_judged_by_the_reports() -> None:
    for last_frame_us in (0, 10**15):
        supervisor = WorkerSupervisor(LIMITS)
        supervisor.tick(0)
        for now in range(SECOND, 10 * SECOND, SECOND // 2):
            supervisor.progress(progress(now, last_frame_us=last_frame_us), now)
            assert supervisor.tick(now) is None


def test_a_worker_that_says_nothing_more_is_killed_too() -> None:
    bench = Bench()
    bench.up()
    bench.run(3, frames=None)
    assert isinstance(bench.last(), KillWorker)


def test_frames_without_durable_entries_while_recording_are_a_storage_fault() -> None:
    bench = Bench()
    bench.up()
    bench.run(30, entries=0)
    assert len(bench.orders) == 1, "nothing is owed outside a recording"
    bench.recording = True
    began = bench.now
    bench.run(5, entries=0)
    at, order = bench.orders[-1]
    assert isinstance(order, KillWorker) and order.cause == "storage-fault"
    assert 3 * SECOND <= at - began <= 3.3 * SECOND


def test_a_worker_that_never_connects_or_never_sees_a_frame() -> None:
    bench = Bench()
    bench.run(10.5, None)
    order = bench.last()
    assert isinstance(order, KillWorker) and (order.cause, order.detail) == ("worker-late", "did not connect in time")
    bench = Bench()
    bench.run(0.1, None)
    bench.supervisor.hello(bench.now)
    bench.run(10.5, frames=0)
    order = bench.last()
    assert isinstance(order, KillWorker) and order.cause == "camera-stall"


def waits_to_connect(bench: Bench, starts: int) -> list[int]:
    """How many seconds each of so many workers gets that never connect."""
    waits = []
    for _ in range(starts):
        seen = len(bench.orders)
        while not any(isinstance(order, KillWorker) for _, order in bench.orders[seen:]):
            bench.run(0.1, None)
        launched, killed = (at for at, _ in bench.orders[seen:])
        waits.append((killed - launched) // SECOND)
        bench.die("killed by signal 9")
    return waits


def test_a_board_slow_to_load_the_libraries_gets_twice_the_time_with_each_start_and_records_at_last() -> None:
    bench = Bench()
    assert waits_to_connect(bench, 6) == [10, 20, 40, 60, 60, 60]
    bench = Bench()
    waits_to_connect(bench, 2)
    bench.run(35, None)
    bench.supervisor.hello(bench.now)
    bench.run(1)
    assert bench.supervisor.phase is Phase.RUNNING


def test_a_slow_start_is_late_and_is_not_killed_for_it() -> None:
    """Seven seconds to load the libraries: on a busy machine that happens, and nothing has crashed."""
    bench = Bench()
    bench.run(4.9, None)
    assert not bench.supervisor.is_late(bench.now)
    bench.run(2.1, None)
    assert bench.supervisor.is_late(bench.now) and bench.supervisor.launched_us < SECOND
    bench.supervisor.hello(bench.now)
    assert not bench.supervisor.is_late(bench.now + 20 * SECOND)
    bench.run(2)
    assert bench.supervisor.phase is Phase.RUNNING
    assert [order for _, order in bench.orders] == [Launch()]


def test_loading_and_opening_the_camera_have_each_their_own_time() -> None:
    limits = replace(LIMITS, connect_timeout_us=20 * SECOND, start_timeout_us=7 * SECOND)
    bench = Bench(limits)
    bench.run(19.5, None)
    bench.supervisor.hello(bench.now)
    bench.run(6.5, frames=0)
    assert len(bench.orders) == 1
    bench.run(1, frames=0)
    order = bench.last()
    assert isinstance(order, KillWorker) and (order.cause, order.detail) == ("camera-stall", "no first frame in time")
    bench = Bench(limits)
    bench.up()
    bench.die()
    assert waits_to_connect(bench, 1) == [7], "what it loads was loaded before"


def test_a_crash_while_it_starts_is_a_crash_however_late_it_was() -> None:
    bench = Bench()
    bench.run(7, None)
    bench.die("exit status 1")
    assert (bench.supervisor.cause, bench.supervisor.detail) == ("worker-crash", "exit status 1")


def test_a_connected_worker_gets_no_more_time_for_its_first_frame_than_before() -> None:
    bench = Bench()
    waits_to_connect(bench, 4)
    bench.run(45, None)
    bench.supervisor.hello(bench.now)
    connected = bench.now
    bench.run(10.5, frames=0)
    at, order = bench.orders[-1]
    assert isinstance(order, KillWorker) and order.cause == "camera-stall"
    assert at - connected <= 10.2 * SECOND


def test_a_worker_that_does_not_come_back_is_tried_often_enough_for_the_officer_to_hear_of_it() -> None:
    bench = Bench()
    bench.up()
    bench.die()
    waits = waits_to_connect(bench, WARM_STARTS + 3)
    assert waits == [10] * WARM_STARTS + [20, 40, 60], "and it is never given up"


@given(st.integers(1, 60 * SECOND), st.integers(1, 12), st.booleans())
def test_the_time_to_connect_never_shrinks_and_has_an_end(start_us: int, starts: int, worked: bool) -> None:
    supervisor = WorkerSupervisor(Limits(2 * SECOND, start_us, start_us, start_us, 0, 0))
    now = 0
    if worked:
        supervisor.tick(now)
        supervisor.progress(progress(1), now)
        supervisor.note_exit("")
        supervisor.exited(now)
    last = 0
    for _ in range(starts):
        assert isinstance(supervisor.tick(now), Launch)
        launched = now
        while supervisor.tick(now) is None:
            now += BLIND_US
        assert max(start_us, last) <= now - launched <= CONNECT_MOST_US + BLIND_US
        last = now - launched
        supervisor.exited(now)


def test_a_camera_that_hangs_again_after_a_restart_is_given_up_sooner_but_a_slow_one_gets_its_time() -> None:
    bench = Bench()
    bench.up()
    bench.run(3, frames=0)
    waits: list[float] = []
    for _ in range(4):
        bench.die()
        seen = len(bench.orders)
        while len(bench.orders) == seen:
            bench.run(0.1, None)
        bench.supervisor.hello(bench.now)
        connected = bench.now
        bench.run(10.5, frames=0)
        kill = next((at, order) for at, order in bench.orders[seen:] if isinstance(order, KillWorker))
        waits.append(round((kill[0] - connected) / SECOND))
    assert waits == [3, 6, 10, 10]
    bench.die()
    bench.run(5, None)
    bench.supervisor.hello(bench.now)
    bench.run(1)
    assert bench.supervisor.phase is Phase.RUNNING


def test_a_process_that_survives_sigkill_is_killed_again() -> None:
    bench = Bench()
    bench.up()
    bench.run(9, frames=0)
    kills = [at for at, order in bench.orders if isinstance(order, KillWorker)]
    assert len(kills) >= 3
    assert not any(isinstance(order, Launch) for _, order in bench.orders[1:]), "never two workers on one camera"


def test_the_reason_for_the_kill_stays_the_cause_when_the_exit_is_seen() -> None:
    bench = Bench()
    bench.up()
    bench.run(3, frames=0)
    bench.die("killed by signal 9")
    assert bench.supervisor.cause == "camera-stall"


def test_an_exit_by_itself_is_a_crash_with_its_status() -> None:
    bench = Bench()
    bench.up()
    bench.die("exit status 70")
    assert (bench.supervisor.cause, bench.supervisor.detail) == ("worker-crash", "exit status 70")


def test_a_verdict_from_elsewhere_is_kept() -> None:
    bench = Bench()
    bench.up()
    bench.supervisor.condemn("buffer-overflow", "entry 3, expected 2")
    bench.die()
    assert (bench.supervisor.cause, bench.supervisor.detail) == ("buffer-overflow", "entry 3, expected 2")
    bench.supervisor.condemn("unknown", "nobody is there")
    assert bench.supervisor.cause == "buffer-overflow"


def test_pauses_double_up_to_the_limit_and_it_never_gives_up() -> None:
    bench = Bench()
    launches: list[int] = []
    pauses: list[int] = []
    for _ in range(60):
        bench.run(11, None)
        launches.append([at for at, order in bench.orders if isinstance(order, Launch)][-1])
        bench.die()
        pauses.append((bench.supervisor.next_launch_us or 0) - bench.now)
    assert pauses[:4] == [0, 100_000, 200_000, 400_000]
    assert pauses[-1] == LIMITS.backoff_max_us
    assert launches == sorted(set(launches))


def test_after_a_healthy_run_the_next_worker_starts_at_once_again() -> None:
    bench = Bench()
    for _ in range(5):
        bench.run(11, None)
        bench.die()
    bench.run(11, None)
    bench.supervisor.hello(bench.now)
    bench.run(31)
    bench.die()
    assert (bench.supervisor.next_launch_us or 0) - bench.now == 0


def test_a_judge_that_was_blind_does_not_condemn() -> None:
    """The main loop was busy for five seconds; the reports of that time are still in the queue."""
    bench = Bench()
    bench.up()
    bench.now += 5 * SECOND
    assert bench.supervisor.tick(bench.now) is None
    bench.run(1)
    assert len(bench.orders) == 1
    bench.run(3, frames=0)
    assert isinstance(bench.last(), KillWorker)


def test_a_new_worker_is_not_judged_by_the_numbers_of_the_old_one() -> None:
    bench = Bench()
    bench.up()
    bench.recording = True
    bench.run(60)
    bench.die()
    bench.run(1, None)
    bench.supervisor.hello(bench.now)
    bench.run(10)
    assert not any(isinstance(order, KillWorker) for _, order in bench.orders)


@given(st.lists(st.tuples(st.sampled_from(["run", "stall", "silent", "hello", "die", "blind"]), st.integers(1, 30))))
def test_launch_only_when_no_worker_exists(steps: list[tuple[str, int]]) -> None:
    bench = Bench()
    alive = False
    seen = 0
    for what, tenths in steps:
        match what:
            case "run":
                bench.run(tenths / 10)
            case "stall":
                bench.run(tenths / 10, frames=0)
            case "silent":
                bench.run(tenths / 10, None)
            case "hello":
                bench.supervisor.hello(bench.now)
            case "blind":
                bench.now += BLIND_US + tenths
            case _ if alive:
                bench.die()
                alive = False
        for _, order in bench.orders[seen:]:
            if isinstance(order, Launch):
                assert not alive
                alive = True
            else:
                assert alive
        seen = len(bench.orders)
