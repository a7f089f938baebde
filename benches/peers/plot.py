"""Bars as SVG, by hand: a median, what it may also be, and a mark where the goal was."""

import math
from html import escape

WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 760, 210, 90, 18, 8, 44
INK, FILL, GOAL = "#222", "#5b8db8", "#c0392b"


def nice(most):
    """A step for the scale: 1, 2 or 5, and so many zeros."""
    smallest = 10.0 ** math.floor(math.log10(most / 6))
    return next(smallest * factor for factor in (1, 2, 5, 10) if most / (smallest * factor) <= 6)


def bars(title, rows, unit):
    """The picture. A row: label, value, low, high, goal or None."""
    most = max(max(value, high, goal or 0) for _, value, _, high, goal in rows) * 1.05 or 1
    height = TOP + len(rows) * (BAR + GAP) + 40
    across = lambda value: LEFT + (WIDTH - LEFT - RIGHT) * value / most
    text = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12" fill="{INK}">']
    text.append(f'<rect width="{WIDTH}" height="{height}" fill="white"/><text x="10" y="24" font-size="15">{escape(title)}</text>')
    bottom, step = height - 34, nice(most)
    for tick in range(int(most / step) + 1):
        x = across(tick * step)
        text.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>')
        text.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{tick * step:g}</text>')
    text.append(f'<text x="{across(most / 2):.1f}" y="{bottom + 29}" text-anchor="middle">{escape(unit)}</text>')
    for place, (label, value, low, high, goal) in enumerate(rows):
        y = TOP + place * (BAR + GAP)
        line = y + BAR / 2
        text.append(f'<text x="{LEFT - 8}" y="{y + BAR - 5}" text-anchor="end">{escape(label)}</text>')
        text.append(f'<rect x="{LEFT}" y="{y}" width="{across(value) - LEFT:.1f}" height="{BAR}" fill="{FILL}"/>')
        text.append(f'<line x1="{across(low):.1f}" y1="{line}" x2="{across(high):.1f}" y2="{line}" stroke="{INK}" stroke-width="2"/>')
        if goal:
            text.append(f'<line x1="{across(goal):.1f}" y1="{y - 3}" x2="{across(goal):.1f}" y2="{y + BAR + 3}" stroke="{GOAL}" stroke-width="3"/>')
        text.append(f'<text x="{across(max(value, high)) + 6:.1f}" y="{y + BAR - 5}">{value:.3g}</text>')
    return "\n".join([*text, "</svg>", ""])
