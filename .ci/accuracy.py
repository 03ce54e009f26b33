"""Compares `eval verification` on the development folds of LFW with bounds."""

import json
import subprocess
import sys

binary, data = sys.argv[1:]
command = [binary, "eval", "verification", "--json", "--root", f"{data}/lfw", "--pairs", f"{data}/lfw/pairs_dev.csv"]
command += ["--aliases", "docs/ref/lfw-one-person.csv"]
report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
rates = {r["fmr"]: r["tmr_percent"] for r in report["tmr"]}
refused = report["refused_for_several_people_percent"]
share = report["approved_impostor_share"]
bars = [
    ("accuracy on the pairs, % (+- 0.4)", report["accuracy_percent"], ">=", 99.3),
    ("TMR at FMR 1e-3, %", rates[1e-3], ">=", 98.6),
    ("TMR at FMR 1e-4, %", rates[1e-4], ">=", 97.5),
    ("TMR at FMR 1e-5, %", rates[1e-5], ">=", 95.6),
    ("pictures without a face", report["no_face"], "<=", 0),
    # Press photographs show bystanders; docs/ref/quality.md says how many of these refusals are right.
    ("pictures refused for a second person, %", refused, "<=", 7.5),
    ("impostor pairs at 0.85 and above", share, "<=", 2e-4),
    ("impostor pairs at 0.85 and above", share, ">=", 0.5e-4),
]
failed = 0
for what, value, sign, bar in bars:
    good = value >= bar if sign == ">=" else value <= bar
    failed += not good
    print(f"{'ok  ' if good else 'MISS'} {what}: {value:.6g} ({sign} {bar:g})")
print(f"{len(bars) - failed} passed, {failed} failed")
sys.exit(1 if failed else 0)
