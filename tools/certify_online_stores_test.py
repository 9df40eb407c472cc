import pytest

from certify_online_stores import BEGIN, CAPABILITIES, END, NotCertified, SUITE, read_report, replaced, table


def report(**changes):
    said = {key: "no" for key in CAPABILITIES} | {"persistent": "yes", "durability": "a row stays"}
    cases = [{"classname": SUITE, "name": "SaysWhatItCan/x", "result": "COMPLETED"} | said,
             {"classname": SUITE, "name": "Reads/x", "result": "COMPLETED"} | changes,
             {"classname": SUITE, "name": "Marks/x", "result": "SKIPPED"},
             {"classname": "Other", "name": "Ignored", "result": "COMPLETED"}]
    return {"testsuites": [{"testsuite": cases}]}


def test_a_store_is_shown_with_what_it_can_and_its_tests():
    text = table(read_report(report()))
    assert "| rows outlive the process | yes |" in text
    assert "| scan | – |" in text
    assert "| tests of the suite passed | 2 |" in text
    assert "- `x`: a row stays." in text


def test_a_failed_test_certifies_nothing():
    with pytest.raises(NotCertified, match="Reads failed on x"):
        read_report(report(failures=[{"failure": "no"}]))


def test_a_store_that_was_not_there_certifies_nothing():
    one = report()
    one["testsuites"][0]["testsuite"][0] = {"classname": SUITE, "name": "SaysWhatItCan/x", "result": "SKIPPED"}
    with pytest.raises(NotCertified, match="x was not tested"):
        read_report(one)


def test_only_the_part_between_the_marks_changes():
    page = replaced(f"a\n{BEGIN}\nold\n{END}\nb\n", "new")
    assert page == f"a\n{BEGIN}\nnew\n{END}\nb\n"
    with pytest.raises(NotCertified):
        replaced("no marks", "new")
