//! The client on the recorded vectors, and its own words.

use homenode::json::Value;
use homenode::{Calls, Cpu, Error, Host, Node, Planner, Request, Vm};
use std::fs;
use std::thread;

fn vectors(name: &str) -> String {
    fs::read_to_string(format!("{}/../vectors/{name}", env!("CARGO_MANIFEST_DIR"))).expect("vectors are there")
}

#[test]
fn calls_are_equal() {
    let mut calls = Calls::new().expect("a planner");
    let mut count = 0;
    for line in vectors("calls.txt").lines().filter(|line| !line.starts_with('#')) {
        let (call, result) = line.split_once(" = ").expect("a call and its result");
        let (name, rest) = call.split_once(' ').unwrap_or((call, ""));
        let numbers: Vec<f64> = rest.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        assert_eq!(calls.call(name, &numbers), result.parse::<f64>().expect("a number"), "{line}");
        count += 1;
    }
    assert!(count > 1000);
}

fn replay() {
    let text = vectors("plans.txt");
    let mut planner = Planner::new().expect("a planner");
    let lines: Vec<&str> = text.lines().collect();
    for vector in lines.chunks(4) {
        let head: Vec<i32> = vector[0].split(' ').map(|number| number.parse().expect("a number")).collect();
        let (is_plan, answer) = planner.answer(vector[1].as_bytes(), vector[2].as_bytes(), head[0], head[1]).expect("an answer");
        assert_eq!((i32::from(is_plan), answer.as_str()), (head[2], vector[3]));
        let mut again = String::new();
        let value = Value::parse(&answer).expect("JSON");
        value.write(&mut again);
        assert_eq!(Value::parse(&again), Some(value));
    }
    assert!(lines.len() > 200);
}

#[test]
fn plans_are_equal_in_threads_with_a_planner_each() {
    let threads: Vec<_> = (0..2).map(|_| thread::spawn(replay)).collect();
    for thread in threads {
        thread.join().expect("equal plans");
    }
}

fn host() -> Host {
    let nodes = [0, 1].map(|id| Node { id, total: 1 << 30, free: 1 << 30 });
    let cpus: Vec<Cpu> = (0..4).map(|id| Cpu { id, node: id / 2, llc: id / 2, core: id, thread: 0 }).collect();
    Host::new(&nodes, &cpus)
}

#[test]
fn a_vm_is_planned_and_another_refused() {
    let request = Request::new()
        .with("strategy", "spread")
        .vm(Vm::new("small \"one\"", 2, "512MiB").cells(1).page_size("4KiB"))
        .vm(Vm::new("large", 9, "1GiB").weight(0.5));
    let plan = Planner::new().and_then(|mut planner| planner.plan(&host(), &request)).expect("a plan");
    assert_eq!(plan.status, "partial");
    assert_eq!(plan.vms[0].name, "small \"one\"");
    assert_eq!(plan.vms[0].cells[0].memory.iter().map(|part| part.bytes).sum::<u64>(), 1 << 29);
    assert_eq!(plan.vms[0].vcpus.len(), 2);
    assert!(plan.refused[0].because.iter().any(|because| because.constraint == "cpu-exclusive"));
}

#[test]
fn json_that_is_none_is_refused() {
    for text in [
        "", " ", "nul", "truely", "01", "-01", "+1", ".5", "1.", "1e", "1e+", "-", "--1", "1 2", "[1,]", "{\"a\":1,}", "{a:1}", "\"a", "\"\n\"",
        "\"\\u+123\"", "\"\\u12\"", "\"\\u12é4\"", "\"\\x\"", "inf", "NaN", "[", "\u{feff}1",
    ] {
        assert_eq!(Value::parse(text), None, "{text}");
    }
    assert_eq!(Value::parse(&"[".repeat(1_000_000)), None);
    for (text, value) in [("-0.5e+1", -5.0), ("0", 0.0), ("10E-1", 1.0), (" 7\n", 7.0)] {
        assert_eq!(Value::parse(text), Some(Value::Number(value)), "{text}");
    }
    assert_eq!(Value::parse("\"\\ud83d\\ude00\\ud800\\u0041\\udc00\""), Some(Value::from("\u{1f600}\u{fffd}A\u{fffd}")));
}

#[test]
fn calls_take_no_other_names() {
    let mut calls = Calls::new().expect("a planner");
    for name in ["", "re\0set", "reset\0", "reset\0x", "nothing"] {
        assert_eq!(calls.call(name, &[]), -3.0, "{name:?}");
    }
    assert_eq!(calls.call("reset", &[]), 0.0);
    assert_eq!(calls.call("reset", &[1.0]), -2.0);
}

#[test]
fn fields_that_are_set_again_have_the_last_value_and_bytes_that_are_no_text_are_told() {
    let twice = Request::new().with("overcommit", 0.0).with("overcommit", 2.0).vm(Vm::new("a", 1, "1MiB").weight(0.0).weight(1.0));
    let mut planner = Planner::new().expect("a planner");
    assert_eq!(planner.plan(&host(), &twice).map(|plan| plan.vms.len()), Ok(1));
    let (is_plan, answer) = planner.answer(b"{}", b"\xff", 1, 1).expect("an answer");
    assert!(!is_plan && answer.contains("\"host\""), "{answer}");
    let host = host();
    let mut text = String::new();
    Value::parse(host.as_json()).expect("JSON").write(&mut text);
    let (is_plan, answer) = planner.answer(text.as_bytes(), b"{\"\xff\":1}", 1, 1).expect("an answer");
    assert!(!is_plan && answer.contains("UTF-8"), "{answer}");
}

#[test]
fn what_is_wrong_is_told() {
    let request = Request::new().vm(Vm::new("a", 0, "1GiB"));
    let error = Planner::new().and_then(|mut planner| planner.plan(&host(), &request)).expect_err("no plan");
    assert_eq!(error.to_string(), "request: vms[0].vcpus: expected a whole number from 1 to 4096, got 0");
    assert!(matches!(error, Error::Input(input) if input.part == "request"));
}
