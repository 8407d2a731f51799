"""Counts test cases of one Bazel run: prints "N passed, N failed".

usage: count.py BUILD_EVENTS BAZEL_EXIT_CODE

BUILD_EVENTS is what --build_event_json_file wrote. A target that ran but left
no list of cases counts as one case; so does one that was not built. Exits 0
only if something passed, nothing failed, and Bazel was content.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree as xml


def cases(path):
    """Returns (passed, failed) of one test.xml."""
    passed = failed = 0
    for case in xml.parse(path).getroot().iter("testcase"):
        if case.get("status") == "notrun":
            continue
        if any(case.findall(kind) for kind in ("failure", "error")):
            failed += 1
        else:
            passed += 1
    return passed, failed


def attempt(result):
    """Returns (passed, failed) of one testResult event."""
    good = result["status"] == "PASSED"
    counts = (0, 0)
    for output in result.get("testActionOutput", []):
        if output["name"] == "test.xml":
            try:
                counts = cases(urllib.parse.urlparse(output["uri"]).path)
            except (OSError, xml.ParseError):
                pass  # the target died before it could write
    if good:
        return (max(counts[0], 1), counts[1])
    return (counts[0], max(counts[1], 1))


def main():
    events_path, bazel_exit = sys.argv[1], int(sys.argv[2])
    last, configured, failed_targets = {}, set(), []
    with open(events_path, encoding="utf-8") as events:
        for line in events:
            event = json.loads(line)
            ran = event["id"].get("testResult")
            if ran and "testResult" in event:
                # Shards and runs add up; of attempts the last one counts.
                part = (ran["label"], ran.get("run"), ran.get("shard"))
                last[part] = attempt(event["testResult"])
            completed = event["id"].get("targetCompleted", {}).get("label")
            if completed and not event.get("completed", {}).get("success"):
                if completed not in configured:
                    configured.add(completed)
                    failed_targets.append(completed)
    for target in sorted(failed_targets):
        if not any(label == target for label, _, _ in last):
            print(f"not built: {target}")
            last[(target, None, None)] = (0, 1)
    for label in sorted({label for (label, _, _), (_, failed) in last.items() if failed}):
        print(f"failed: {label}")
    passed = sum(p for p, _ in last.values())
    failed = sum(f for _, f in last.values())
    if bazel_exit != 0 and failed == 0:
        failed = 1  # Bazel itself failed before it reached a test
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
