"""Leases: one owner at a time, whoever dies when."""

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from neurorecon.batch.state import identity
from neurorecon.batch.state import leases as module
from neurorecon.batch.state.identity import is_dead, new_token, process_start
from neurorecon.batch.state.leases import Leases, owns


@pytest.fixture
def make(tmp_path):
    for name in ("leases", "scratch"):
        (tmp_path / name).mkdir()

    def leases(seconds=60.0):
        return Leases(tmp_path / "leases", tmp_path / "scratch", seconds)

    return leases


def files(leases):
    return sorted(p.name for folder in (leases.folder, leases.scratch) for p in folder.iterdir())


def elsewhere():
    """A token of another machine."""
    return "feedfeedfeed-" + new_token().partition("-")[2]


def plant(leases, key, token, *, age=0.0):
    """Put a lease of somebody else in place."""
    path = leases.folder / f"{key}.lock"
    path.write_text(token)
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.fixture
def dead_token():
    code = "from neurorecon.batch.state.identity import new_token; print(new_token())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_lease_has_one_owner_and_can_be_given_back(make):
    first, second = make(), make()
    token = first.take("k")
    assert owns(first.folder, "k", token)
    assert second.take("k") is None
    assert second.take("other") is not None
    first.give_back("k", token)
    assert second.take("k") is not None
    assert not owns(first.folder, "k", token)


def test_nothing_is_left_when_all_is_given_back(make):
    leases = make()
    leases.give_back("k", leases.take("k"))
    assert files(leases) == []


def test_the_lease_of_a_dead_process_is_taken_over_at_once(make, dead_token):
    leases = make()
    plant(leases, "k", dead_token)
    token = leases.take("k")
    assert owns(leases.folder, "k", token)
    assert make().take("k") is None
    leases.give_back("k", token)
    assert files(leases) == []


def test_a_process_number_used_again_is_not_mistaken_for_the_owner():
    machine, pid, start, random = new_token().split("-")
    assert not is_dead(f"{machine}-{pid}-{start}-{random}")
    assert is_dead(f"{machine}-{pid}-{int(start) + 1}-{random}")
    assert not is_dead(elsewhere())


def test_a_process_of_another_user_that_the_system_hides_is_not_taken_for_dead(monkeypatch):
    machine, _, start, random = new_token().split("-")
    token = f"{machine}-{2**22 + 1}-{start}-{random}"  # no number of a process is as high on Linux
    assert is_dead(token)

    def forbidden(pid, signal):
        raise PermissionError

    monkeypatch.setattr(identity.os, "kill", forbidden)  # /proc with hidepid=2
    assert not is_dead(token)


def test_a_process_that_the_system_does_not_describe_is_not_taken_for_dead(monkeypatch):
    token = new_token()

    def forbidden(path):
        raise PermissionError

    monkeypatch.setattr(identity.Path, "read_text", forbidden)  # /proc with hidepid=1
    assert not is_dead(token)


def test_a_lock_that_another_machine_removed_while_it_was_read_is_no_lock(make, monkeypatch):
    leases = make()
    plant(leases, "k", elsewhere())

    def stale(*args, **options):
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(module, "open", stale, raising=False)
        assert not owns(leases.folder, "k", "any")
    assert leases.take("k") is None


def test_a_zombie_counts_as_dead():
    child = subprocess.Popen([sys.executable, "-c", ""])
    start = process_start(child.pid)
    while process_start(child.pid) == start != "":
        time.sleep(0.01)
    assert process_start(child.pid) == ""
    child.wait()


def test_the_lease_of_another_machine_expires_without_heartbeat(make):
    leases = make(seconds=30)
    plant(leases, "young", elsewhere(), age=20)
    plant(leases, "old", elsewhere(), age=40)
    assert leases.take("young") is None
    assert leases.take("old") is not None


def test_a_live_process_of_this_machine_keeps_its_lease_without_heartbeat(make):
    leases = make(seconds=0.01)
    path = plant(leases, "k", new_token(), age=1000)
    assert leases.take("k") is None
    assert path.exists()


def test_heartbeats_keep_a_lease_young(make):
    leases = make(seconds=0.5)
    token = leases.take("k")
    path = leases.folder / "k.lock"
    os.utime(path, (0, 0))
    with leases.beating():
        end = time.time() + 10
        while path.stat().st_mtime < 1 and time.time() < end:
            time.sleep(0.02)
    assert path.stat().st_mtime > 1
    leases.give_back("k", token)


def test_of_many_that_see_a_stale_lease_one_takes_it(make, dead_token):
    for round_ in range(20):
        key = f"k{round_}"
        all_leases = [make() for _ in range(8)]
        plant(all_leases[0], key, dead_token)
        barrier, taken = threading.Barrier(8), []

        def grab(leases, key=key, barrier=barrier, taken=taken):
            barrier.wait()
            if (token := leases.take(key)) is not None:
                taken.append(token)

        threads = [threading.Thread(target=grab, args=(leases,)) for leases in all_leases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == 1
        assert owns(all_leases[0].folder, key, taken[0])


def test_a_successor_that_saw_a_chain_which_is_gone_does_not_become_a_second_owner(make, dead_token, monkeypatch):
    slow, quick = make(), make()
    plant(slow, "k", dead_token)
    place = module._place

    def meanwhile(draft, target):
        """Just before the slow one makes its link, a quick one takes over, finishes, and a third one begins anew."""
        monkeypatch.setattr(module, "_place", place)
        quick.give_back("k", quick.take("k"))
        meanwhile.third = quick.take("k")
        return place(draft, target)

    monkeypatch.setattr(module, "_place", meanwhile)
    assert slow.take("k") is None
    assert owns(slow.folder, "k", meanwhile.third)
    quick.give_back("k", meanwhile.third)
    assert files(slow) == []


def test_an_owner_that_lost_its_lease_does_not_give_back_that_of_its_successor(make):
    leases = make(seconds=30)
    lost = elsewhere()
    plant(leases, "k", lost, age=100)
    token = leases.take("k")
    make().give_back("k", lost)
    assert owns(leases.folder, "k", token)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_hard_links_does_too(make, monkeypatch, code):
    def refuse(*args):
        raise OSError(code, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    leases = make()
    token = leases.take("k")
    assert owns(leases.folder, "k", token)
    assert make().take("k") is None


def test_a_full_disk_is_no_reason_to_go_on(make, monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="full"):
        make().take("k")
    assert files(make()) == []


def test_leftovers_of_dead_owners_are_found_and_nothing_else(make, dead_token):
    leases = make(seconds=10)
    token = leases.take("mine")
    for name in (f"k.{dead_token}", f"mine.{token}", f"k.{elsewhere()}"):
        (leases.scratch / name).mkdir()
    old = leases.scratch / f"k.{elsewhere()}"
    old.mkdir()
    os.utime(old, (0, 0))
    loose = leases.folder / f"k.after.{elsewhere()}.lock"
    loose.write_text(dead_token)
    left = leases.leftovers()
    assert sorted(p.name for p in left) == sorted([f"k.{dead_token}", old.name, loose.name])


def test_an_unreadable_lease_expires_by_its_age(make):
    leases = make(seconds=30)
    plant(leases, "k", "", age=10)
    assert leases.take("k") is None
    plant(leases, "k", "", age=100)
    token = leases.take("k")
    assert owns(leases.folder, "k", token)
    assert make().take("k") is None


def test_a_worker_whose_parent_was_killed_owns_nothing(make, dead_token):
    leases = make()
    plant(leases, "k", dead_token)
    assert not owns(leases.folder, "k", dead_token)
