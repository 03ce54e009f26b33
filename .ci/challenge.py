#!/usr/bin/env python3
"""Bars for challenges on development recordings: challenge.py FACEPLATE DATA

No print may show a turn, people must be seen to turn to the sides that they show, and a recording that is shown in a loop may meet few
challenges. The random places at which loops begin change from run to run; the bars are several times what was measured.
"""

import json
import subprocess
import sys

# Sides that the people of these clips show, in the order of the report: left, right, up, down.
SIDES = {
    "td_621ea6b1e2c5d221d5131267.MOV": (True, True, True, True),
    "td_621ea6c1b99da7739f2be705.MOV": (True, True, True, True),
    "td_621f74a85af9d379642ce38f.MOV": (True, True, True, True),
    "tranvan_real.mp4": (False, True, True, True),
    "zubair_real_vp8_named.mov": (True, True, False, False),
}
MOST_MET = {2: 0.12, 3: 0.04}  # share of attempts by number of directions


def report(binary, root):
    return json.loads(subprocess.check_output([binary, "eval", "challenge", "--json", "--root", root]))


def main(binary, data):
    wrong = []
    still = report(binary, f"{data}/liveness/sequences")
    for row in still["species"]:
        if row["any"]:
            wrong.append(f"{row['any']} of {row['recordings']} sequences of {row['species']} show a turn")
    prints = next(row for row in still["species"] if row["species"] == "print")
    clips = report(binary, f"{data}/liveness/videos")
    for recording in clips["recordings"]:
        name, turns = recording["name"].rsplit("/", 1)[-1], recording["turns"]
        if name in SIDES and (turns is None or tuple(turns["turned"]) != SIDES[name]):
            wrong.append(f"{recording['name']}: {turns}")
        for count, most in MOST_MET.items():
            if turns and turns["met"][count - 1] > most * clips["attempts"]:
                wrong.append(f"{recording['name']}: {turns['met']} of {clips['attempts']} attempts are met")
    print(f"{prints['recordings']} prints show {prints['any']} turns, {len(SIDES)} people turn")
    for problem in wrong:
        print("wrong:", problem)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
