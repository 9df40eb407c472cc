"""count_tests.py counts every case once, and no failure is lost."""

import count_tests

GTEST = '<testsuites><testsuite><testcase name="a" classname="S" status="run" result="completed">{}</testcase>' \
    '<testcase name="b" classname="S" status="run" result="skipped"/>' \
    '<testcase name="c" classname="S" status="notrun" result="suppressed"/></testsuite></testsuites>'
CTEST = '<testsuite><testcase name="base_test" status="{}">{}</testcase><testcase name="script" status="run"/></testsuite>'


def result(tmp_path, **files):
    for name, text in files.items():
        (tmp_path / f"{name}.xml").write_text(text)
    totals, failed = count_tests.count(tmp_path)
    return totals["passed"], totals["failed"], totals["skipped"], len(failed)


def test_cases_count_instead_of_their_program(tmp_path):
    assert result(tmp_path, base_test=GTEST.format(""), ctest=CTEST.format("run", "")) == (2, 0, 2, 0)


def test_a_failed_case_counts_once(tmp_path):
    files = {"base_test": GTEST.format("<failure/>"), "ctest": CTEST.format("fail", "<failure/>")}
    assert result(tmp_path, **files) == (1, 1, 2, 1)


def test_a_crash_after_good_cases_is_a_failure(tmp_path):
    files = {"base_test": GTEST.format(""), "ctest": CTEST.format("fail", "<failure/>")}
    assert result(tmp_path, **files) == (2, 1, 2, 1)


def test_a_program_without_cases_counts_itself(tmp_path):
    assert result(tmp_path, ctest=CTEST.format("fail", "<failure/>")) == (1, 1, 0, 1)


def test_a_torn_file_is_a_failure(tmp_path):
    assert result(tmp_path, pytest="<testsuite><testcase") == (0, 1, 0, 1)
