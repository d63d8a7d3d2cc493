"""``python -m bench.fleet``: when the devices of a large fleet ask for certificates, simulated; for docs/scale.md.

Arithmetic gives the mean. What it does not give is the peak: devices that were provisioned in one week renew in one
week a year later, unless each chooses its day, and after an outage all that were due come at once, unless they wait.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator
from typing import Final

import click
from tabulate import tabulate

_HOUR: Final = 3600.0
_DAY: Final = 86400.0
_WORKDAY: Final = (8.0, 16.0)
_SHIFT: Final = (_WORKDAY[1] - _WORKDAY[0]) * _HOUR
_RENEWALS: Final = 3
_RETRY_FIRST: Final = 60.0
_RETRY_LONGEST: Final = 6 * _HOUR


def provisioned(chance: random.Random, days: int) -> float:
    """Return when a device gets its first certificate: in the working hours of one of so many days."""
    return chance.randrange(days) * _DAY + _WORKDAY[0] * _HOUR + chance.random() * _SHIFT


def renewals(chance: random.Random, first: float, life: float, spread: float) -> Iterator[float]:
    """Yield when a device renews: at two thirds of the life, earlier or later by up to half of ``spread`` of it."""
    at = first
    for _ in range(_RENEWALS):
        at += life * (2 / 3 + spread * (chance.random() - 0.5))
        yield at


def peaks(devices: int, sample: int, days: int, life: float, spread: float) -> list[float]:
    """Return requests/s in the busiest hour of the provisioning and of each renewal."""
    chance, weight = random.Random(1), devices / sample
    length = int((days * _DAY + life * (1 + spread) * _RENEWALS) / _HOUR) + 1
    hours = [array("L", bytes(array("L").itemsize * length)) for _ in range(_RENEWALS + 1)]
    for _ in range(sample):
        first = provisioned(chance, days)
        hours[0][int(first / _HOUR)] += 1
        for wave, at in enumerate(renewals(chance, first, life, spread), start=1):
            hours[wave][int(at / _HOUR)] += 1
    return [max(wave) * weight / _HOUR for wave in hours]


def after_outage(waiting: int, hours: float, retry: Callable[[random.Random, float], float]) -> float:
    """Return the requests in the busiest second after an outage, of devices that came due during it and tried again."""
    chance = random.Random(2)
    end, seconds = hours * _HOUR, dict[int, int]()
    for _ in range(waiting):
        at, tries = chance.random() * end, 0
        while at < end:
            at, tries = at + retry(chance, min(_RETRY_LONGEST, _RETRY_FIRST * 2**tries)), tries + 1
        seconds[int(at)] = seconds.get(int(at), 0) + 1
    return max(seconds.values())


_RETRIES: Final[dict[str, Callable[[random.Random, float], float]]] = {
    "every minute": lambda _chance, _longest: _RETRY_FIRST,
    "after 1, 2, 4 … minutes, at most 6 h": lambda _chance, longest: longest,
    "likewise, but a random part of that": lambda chance, longest: chance.random() * longest,
}


@click.command()
@click.option("--devices", type=click.IntRange(min=1), default=100_000_000, show_default=True)
@click.option("--sample", type=click.IntRange(min=1), default=500_000, show_default=True, help="Devices simulated.")
@click.option("--life", type=click.IntRange(min=1), default=365, show_default=True, help="Days of a certificate.")
@click.option("--outage", type=click.FloatRange(min=0.1), default=4.0, show_default=True, help="Hours.")
def main(devices: int, sample: int, life: int, outage: float) -> None:
    """Print the requests/s that a fleet makes in its busiest hours, and in the busiest second after an outage."""
    mean = devices / (life * 2 / 3 * _DAY)
    click.echo(
        f"{devices} devices, certificates of {life} days renewed at two thirds: {mean:.1f} renewals/s in the mean.\n"
    )
    rows = [
        [days, f"{spread:.0%}", *(f"{peak:.0f}" for peak in peaks(devices, sample, days, life * _DAY, spread))]
        for days in (5, 90)
        for spread in (0.0, 0.02, 0.1, 0.3)
    ]
    waves = [f"renewal {number}" for number in range(1, _RENEWALS + 1)]
    click.echo(tabulate(rows, ("days of provisioning", "spread of life", "provisioning", *waves), tablefmt="github"))
    due = int(mean * outage * _HOUR)
    click.echo(f"\nAn outage of {outage:g} h, during which {due} came due, who try again:\n")
    tries = [[how, after_outage(due, outage, retry)] for how, retry in _RETRIES.items()]
    click.echo(tabulate(tries, ("when", "requests in the busiest second"), tablefmt="github"))


if __name__ == "__main__":
    main()
