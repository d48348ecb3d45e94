// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The IPP suites of CUPS, with their sample data made in the bed. Without it they stop halfway and
//! still exit 0, so the tests are counted.

use platen_bed::daemon::source_folder;
use platen_bed::ipptool::{IPP_1_1_TESTS, IPP_2_0_TESTS, IppTool};

use crate::box_under_test::Office;

fn office_with_tool() -> (Office, IppTool) {
    let office =
        Office::open_with(|config| config.further = "push = true\npjl = true\n".to_owned());
    let tool = IppTool::prepare(&office.folder.path().join("ipptool")).unwrap();
    (office, tool)
}

fn runs_whole(office: &Office, tool: &IppTool, path: &str, suite: &str, tests: usize) {
    let uri = office.daemon.uri().replace("/ipp/print", path);
    let score = tool.run(&uri, suite).unwrap();
    println!("{suite} on {path}: {}", score.summary());
    assert_eq!(score.stopped, None);
    assert_eq!(score.tests(), tests, "{}", score.summary());
    assert!(score.failed.is_empty(), "{:#?}", score.failed);
}

fn suite_runs_whole(path: &str, suite: &str, tests: usize) {
    let (office, tool) = office_with_tool();
    runs_whole(&office, &tool, path, suite, tests);
}

#[test]
fn the_suite_of_ipp_1_1_runs_whole_on_the_proxy_queue() {
    suite_runs_whole("/ipp/print", "ipp-1.1.test", IPP_1_1_TESTS);
}

#[test]
fn the_suite_of_ipp_2_0_runs_whole_on_the_proxy_queue() {
    suite_runs_whole("/ipp/print", "ipp-2.0.test", IPP_2_0_TESTS);
}

#[test]
fn the_suite_of_ipp_2_0_runs_whole_on_a_push_queue() {
    suite_runs_whole("/ipp/push/printer", "ipp-2.0.test", IPP_2_0_TESTS);
}

#[test]
fn both_queues_answer_what_ipp_everywhere_asks_for() {
    const ANSWERS: &str = "ipp-everywhere-answers.test";
    let (office, tool) = office_with_tool();
    let answers = source_folder().join("tests/data").join(ANSWERS);
    std::fs::copy(answers, tool.folder().join(ANSWERS)).unwrap();
    for path in ["/ipp/print", "/ipp/push/printer"] {
        runs_whole(&office, &tool, path, ANSWERS, 3);
        runs_whole(&office, &tool, path, "create-job.test", 2);
        runs_whole(&office, &tool, path, "print-job-hold.test", 2);
        runs_whole(&office, &tool, path, "identify-printer.test", 1);
    }
}
