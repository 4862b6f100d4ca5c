"""Pictures of how things follow each other: the stages of a verdict, rounds and a kill, data and code."""

from studies.pictures.drawing import AMBER, BLUE, GREEN, GREY, INK, LINE, PALE, RED, Axes, Drawing

__all__ = ["durability", "untrusted_input", "verdict"]

# Five of the searches in docs/benchmarks.md: the gain of the best trial on the searched samples, and that on the
# held-out samples with its interval (2026-11-30, `python -m studies.benchmarks.results`). In the sixth, no trial was
# better than the baselines.
_SEARCHES = (
    ("lists", 0.658 - 0.270, (0.37, 0.43, 0.50)),
    ("reordering", 0.449 - 0.399, (0.010, 0.044, 0.079)),
    ("sums", 0.385 - 0.375, (-0.033, 0.000, 0.033)),
    ("docstrings", 0.231 - 0.190, (-0.021, 0.004, 0.030)),
    ("addition", 0.500 - 0.458, (-0.044, 0.005, 0.054)),
)


def verdict() -> Drawing:
    """The stages, and the gains of five searches where they were found and where they were not searched."""
    picture = Drawing(
        width=760, height=480, title="The two stages of a verdict, and the gains of five searches on both splits"
    )
    picture.box(
        (24, 24),
        (232, 86),
        "Stage 1\nbest and reference, 2 new seeds;\nintervals miss with 2 % at most;\n3 or 4 passes",
    )
    picture.box(
        (512, 24), (224, 86), "Stage 2\nall finalists, 4 new seeds;\nintervals miss with 3 % at most;\n17 passes"
    )
    picture.box((24, 170), (712, 44), "Verdict", stroke=INK)
    picture.text((96, 192), "the sentence, the intervals, what the seeds make up, what to do next", size=12, fill=GREY)
    picture.path([(252, 60), (508, 60)], arrow=True, stroke=GREY)
    picture.text((380, 50), "undecided, and more seeds may show it", size=12, fill=GREY, anchor="middle")
    picture.path([(132, 110), (132, 166)], arrow=True, stroke=GREY)
    picture.text((144, 142), "the interval excludes 0, or more seeds would hardly help", size=12, fill=GREY)
    picture.path([(630, 110), (630, 166)], arrow=True, stroke=GREY)
    picture.text((24, 250), "Gains of five searches over the reference", bold=True)
    axes = Axes(drawing=picture, corner=(120, 262), size=(590, 160), x=(-0.05, 0.5), y=(0, 5))
    axes.ticks((0, 0.1, 0.2, 0.3, 0.4, 0.5), [], x_label="")
    picture.path([axes.at(0, 0), axes.at(0, 5)], stroke=GREY, dashes="3 3")
    for number, (name, searched, (low, gain, high)) in enumerate(_SEARCHES):
        height = 4.5 - number
        picture.text((106, axes.at(0, height)[1] + 4), name, size=12, anchor="end")
        picture.path([axes.at(low, height), axes.at(high, height)], stroke=BLUE, weight=3)
        picture.dot(axes.at(gain, height), fill=BLUE)
        picture.dot(axes.at(searched, height + 0.25), fill=AMBER)
    picture.dot((130, 461), fill=AMBER)
    picture.text((142, 465), "on the searched samples", size=12, fill=GREY)
    picture.dot((330, 461), fill=BLUE)
    picture.text((342, 465), "on the held-out samples, with the 95 % interval", size=12, fill=GREY)
    return picture


def durability() -> Drawing:
    """Rounds of three trials in flight, a kill in the fourth, and the search that goes on."""
    picture = Drawing(
        width=760, height=310, title="A killed search generates the interrupted round again, and no other"
    )
    left, width, height = 96, 84, 30
    trials = ("trial 4", "trial 5", "trial 6", "trial 7")
    begun = {"trial 4": 1, "trial 5": 1, "trial 6": 2, "trial 7": 5}
    ended = {"trial 4": (4, "pruned"), "trial 5": (6, "complete"), "trial 6": (6, ""), "trial 7": (6, "")}
    for number in range(1, 7):
        x = left + width * (number - 1) + (72 if number > 3 else 0)
        label = f"round {number}" if number != 4 else "round 4 again"
        picture.text((x + width / 2 - 3, 40), label, size=12, fill=GREY, anchor="middle")
    for row, name in enumerate(trials):
        y = 56 + 42 * row
        picture.text((24, y + 20), name, size=12)
        for number in range(begun[name], ended[name][0] + 1):
            x = left + width * (number - 1) + (72 if number > 3 else 0)
            colour = GREEN if number == 4 else BLUE
            picture.rect((x, y), (width - 6, height), fill=colour)
            picture.text((x + width / 2 - 3, y + 20), "8 samples", size=12, fill="#ffffff", anchor="middle")
        if ended[name][1]:
            x = left + width * ended[name][0] + 72
            picture.text((x + 2, y + 20), ended[name][1], size=12, fill=GREY)
        if name != "trial 7":
            picture.rect((left + width * 3, y), (40, height), fill=PALE, stroke=RED)
    x = left + width * 3 + 48
    picture.path([(x, 26), (x, 230)], stroke=RED, weight=2, dashes="6 4")
    picture.text((x, 20), "kill -9", size=12, fill=RED, anchor="middle", bold=True)
    legend = (
        (BLUE, "stored: never generated again"),
        (GREEN, "generated again, with the same tokens"),
        (PALE, "lost: the round that was running"),
    )
    for row, (colour, words) in enumerate(legend):
        place = ((24, 240, 506)[row], 256)
        picture.rect(place, (14, 14), fill=colour, stroke=RED if colour == PALE else "none")
        picture.text((place[0] + 22, 268), words, size=12, fill=GREY)
    picture.text(
        (24, 293),
        "Trial 7 begins in round 5, as it would without the kill: the stored study says when, not the clock.",
        size=12,
    )
    return picture


def untrusted_input() -> Drawing:
    """Data go in and come out as they are or harmless; code runs with the rights of the user."""
    picture = Drawing(width=760, height=300, title="Data never run; a few named settings run code")
    picture.text((24, 30), "Data: never run", bold=True, fill=GREEN)
    picture.box(
        (24, 44), (222, 84), "Texts\nprompts, completions, references,\nnames, messages of scorers", stroke=GREEN
    )
    picture.box((276, 44), (180, 84), "Database\nthe texts as they are,\nbound by SQL", stroke=GREEN)
    picture.box(
        (496, 44),
        (240, 84),
        "Terminal, log, report, notes\ncontrol characters written out,\nno Markdown, no HTML",
        stroke=GREEN,
    )
    picture.path([(246, 86), (272, 86)], arrow=True, stroke=GREY)
    picture.path([(456, 86), (492, 86)], arrow=True, stroke=GREY)
    picture.path([(24, 152), (736, 152)], stroke=LINE, dashes="6 4")
    picture.text((24, 182), "Code: runs with your rights", bold=True, fill=RED)
    picture.box(
        (24, 196), (222, 84), "Metrics of your own\npackage.module:function,\nevaluate:NAME_OR_PATH", stroke=RED
    )
    picture.box((276, 196), (180, 84), "Pickled checkpoints\nonly with\nallow_pickle = true", stroke=RED)
    picture.box(
        (496, 196), (240, 84), "Study files\nthey name the others; a database\nkeeps one for `confirm`", stroke=RED
    )
    return picture
