"""The client on the recorded vectors, and its own words."""

import copy
import gc
import re
import threading
import unittest
from pathlib import Path

from homenode import Calls, Cell, Host, HostCpu, HostNode, InputError, Memory, PagePool, Plan, Planner, Request, Vm
from homenode.codec import dumps, from_plain, plain
import json

CLIENT = Path(__file__).resolve().parent.parent
VECTORS = CLIENT.parent / "vectors"
GIB = 2**30


def small_host() -> Host:
    nodes = [HostNode(id, Memory(GIB, GIB), [PagePool(4096, 262144, 262144)]) for id in (0, 1)]
    return Host(nodes, [HostCpu(id, node=id // 2, llc=id // 2, core=id) for id in range(4)])


def plan_vectors():
    lines = (VECTORS / "plans.txt").read_bytes().split(b"\n")
    for at in range(0, len(lines) - 1, 4):
        steps, seed, status = (int(number) for number in lines[at].split())
        yield steps, seed, status, lines[at + 1], lines[at + 2], lines[at + 3]


class Vectors(unittest.TestCase):
    def test_calls_are_equal(self) -> None:
        calls = Calls()
        count = 0
        for line in (VECTORS / "calls.txt").read_text().splitlines():
            if line.startswith("#"):
                continue
            call, result = line.split(" = ")
            name, *numbers = call.split(" ")
            self.assertEqual(calls(name, *(float(number) for number in numbers)), float(result), line)
            count += 1
        self.assertGreater(count, 1000)

    def test_plans_are_equal_in_threads_with_a_planner_each(self) -> None:
        vectors = list(plan_vectors())
        wrong = []

        def replay() -> None:
            planner = Planner()
            for steps, seed, status, host, request, answer in vectors:
                if planner.answer(host, request, steps, seed) != (status, answer):
                    wrong.append((seed, answer))

        threads = [threading.Thread(target=replay) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertGreater(len(vectors), 50)

    def test_every_plan_and_input_is_the_same_as_a_dataclass(self) -> None:
        for *_, status, host, request, answer in plan_vectors():
            if status != 1:
                continue
            for kind, text in ((Plan, answer), (Request, request), (Host, host)):
                before = json.loads(text)
                after = json.loads(dumps(from_plain(kind, before)))
                for content in (before, after):
                    content.pop("schemaVersion", None)
                    content.pop("kind", None)
                    for move in content.get("moves", []):
                        move.pop("redivides", None)
                    for spare in content.get("spare", []):
                        spare.setdefault("node", None)
                    for measures in (content, content.get("spread", {})):
                        # Not known, as where it is absent.
                        if measures.get("smt", 0) is None:
                            measures.pop("smt")
                self.assertEqual(after, before)


class Client(unittest.TestCase):
    def test_a_vm_is_planned(self) -> None:
        cells = [Cell("0", "256MiB"), Cell("1", "256MiB")]
        plan = Planner().plan(small_host(), Request([Vm("a", vcpus=2, memory="512MiB", cells=cells)]))
        self.assertEqual([vcpu.vcpu for vcpu in plan.vms[0].vcpus], [0, 1])
        self.assertEqual(sum(part.bytes for cell in plan.vms[0].cells for part in cell.memory), GIB // 2)
        self.assertEqual(plan.refused, [])

    def test_a_refusal_has_reasons(self) -> None:
        plan = Planner().plan(small_host(), {"vms": [{"name": "a", "vcpus": 9, "memory": "1GiB"}]})
        self.assertEqual(plan.status, "infeasible")
        self.assertIn("cpu-exclusive", [because.constraint for because in plan.refused[0].because])

    def test_what_is_wrong_is_told(self) -> None:
        with self.assertRaises(InputError) as raised:
            Planner().plan(small_host(), Request([Vm("a", vcpus=0, memory="1GiB")]))
        self.assertEqual((raised.exception.part, raised.exception.where, raised.exception.got), ("request", "vms[0].vcpus", "0"))
        with self.assertRaises(InputError):
            Planner().plan(small_host(), "{", steps=2**40)

    def test_what_is_no_json_is_told(self) -> None:
        for weight in (float("nan"), float("inf")):
            with self.assertRaises(InputError) as raised:
                Planner().plan(small_host(), Request([Vm("a", vcpus=1, memory="1GiB", weight=weight)]))
            self.assertEqual(raised.exception.got, '"NaN"' if weight != weight else '"Infinity"')
        with self.assertRaises(InputError):
            Planner().plan(small_host(), Request([Vm("\ud800", vcpus=1, memory="1GiB")]))

    def test_names_of_calls_are_whole(self) -> None:
        calls = Calls()
        for name in ("", "reset\0", "reset\0x", "\0", "\ud800", "nothing"):
            self.assertEqual(calls(name), -3, repr(name))
        self.assertEqual(calls("reset"), 0)
        for wrong in (None, "1", []):
            with self.assertRaises(TypeError):
                calls("addNode", wrong, 1)  # type: ignore[arg-type]

    def test_a_copy_outlives_its_planner(self) -> None:
        planner, calls = Planner(), Calls()
        vectors = list(plan_vectors())[:3]
        others = copy.copy(planner), copy.copy(calls)
        del planner, calls
        gc.collect()
        for steps, seed, status, host, request, answer in vectors:
            self.assertEqual(others[0].answer(host, request, steps, seed), (status, answer))
        self.assertEqual(others[1]("addNode", 0, 1), 0)

    def test_threads_may_share_a_planner(self) -> None:
        planner = Planner()
        vectors = list(plan_vectors())
        wrong = []

        def replay(first: int) -> None:
            for steps, seed, status, host, request, answer in vectors[first::4]:
                if planner.answer(host, request, steps, seed) != (status, answer):
                    wrong.append(seed)

        threads = [threading.Thread(target=replay, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_the_readme_runs(self) -> None:
        code = re.search(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.S).group(1)
        printed = []
        exec(compile(code, "README.md", "exec"), {"print": lambda *words: printed.append(words)})
        self.assertEqual(printed[0][0], "web")
        self.assertEqual(printed[-1][0], "optimal")


if __name__ == "__main__":
    unittest.main()
