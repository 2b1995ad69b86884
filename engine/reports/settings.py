"""What a report's figures depend on: windows, limits and weights, exact, as the configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from engine.base.errors import ConfigError
from engine.config.sections_surfaces import ReportsConfig

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Exact:
    """A decimal as a fraction of integers.

    Attributes:
        num, den: the value is num / den; den is a power of ten.
    """

    num: int
    den: int

    @classmethod
    def of(cls, text: str) -> Exact:
        """The value of a plain decimal text."""
        decimals = max(0, -int(Decimal(text).as_tuple().exponent))
        return cls(int(Decimal(text).scaleb(decimals)), 10**decimals)


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """One frozen set for all symbols; times in ms."""

    fast_ms: int = 250
    slow_ms: int = 2000
    fresh_ms: int = 1000
    down_ms: int = 5000
    future_ms: int = 5000
    rate_ms: int = 10_000
    flow_ms: int = 30_000
    profile_ms: int = 1_800_000
    spoofing_ms: int = 30_000
    iceberg_ms: int = 300_000
    sample_ms: int = 900_000
    episode_max_ms: int = 300_000
    wall_multiplier: Exact = Exact(15, 10)
    wall_percentile: int = 95
    min_wall_qty: Mapping[str, Exact] = field(default_factory=lambda: {DEFAULT: Exact(0, 1)})
    vacuum_percentile: int = 10
    vacuum_levels: int = 3
    bin_ticks: int = 5
    min_trades: int = 10
    min_fills: int = 5
    depth_ref: Mapping[str, Exact] = field(default_factory=lambda: {DEFAULT: Exact(100_000, 1)})
    spread_good: Exact = Exact(2, 1)
    spread_bad: Exact = Exact(50, 1)
    rate_full: Exact = Exact(10, 1)

    @classmethod
    def of(cls, config: ReportsConfig) -> ReportSettings:
        """The settings of a configuration.

        Raises:
            ConfigError: what a report depends on would not lie within its longest window, or a number has more digits
                than a report is reckoned with.
        """
        windows = config.windows
        needed_s = windows.sample_age_s + windows.episode_max_s + windows.spoofing_s
        if needed_s > windows.profile_s:
            why = f"sample_age_s + episode_max_s + spoofing_s ({needed_s}) exceed profile_s ({windows.profile_s})"
            hint = "lengthen profile_s, or shorten the others"
            raise ConfigError(f"reports.windows: {why}", op="reports.settings", hint=hint)
        return cls(
            fast_ms=config.fast_period_ms,
            slow_ms=config.slow_period_ms,
            fresh_ms=config.fresh_ms,
            down_ms=config.down_ms,
            future_ms=config.future_ms,
            rate_ms=windows.rate_s * 1000,
            flow_ms=windows.flow_s * 1000,
            profile_ms=windows.profile_s * 1000,
            spoofing_ms=windows.spoofing_s * 1000,
            iceberg_ms=windows.iceberg_s * 1000,
            sample_ms=windows.sample_age_s * 1000,
            episode_max_ms=windows.episode_max_s * 1000,
            wall_multiplier=Exact.of(config.walls.multiplier),
            wall_percentile=config.walls.percentile,
            min_wall_qty={name: Exact.of(text) for name, text in config.walls.min_wall_qty.items()},
            vacuum_percentile=config.vacuums.percentile,
            vacuum_levels=config.vacuums.min_levels,
            bin_ticks=config.profile.bin_ticks,
            min_trades=config.profile.min_trades,
            min_fills=config.iceberg.min_fills,
            depth_ref={
                name: _within(f"depth_ref.{name}", text, 18, 18) for name, text in config.health.depth_ref.items()
            },
            spread_good=_within("spread_good_bps", config.health.spread_good_bps, 9, 5),
            spread_bad=_within("spread_bad_bps", config.health.spread_bad_bps, 9, 5),
            rate_full=_within("rate_full", config.health.rate_full, 9, 5),
        )


def _within(key: str, text: str, digits: int, decimals: int) -> Exact:
    """A value of *digits* in all, so many of them *decimals*: what it is multiplied with stays within 128 bits."""
    value = Exact.of(text)
    if value.num >= 10**digits or value.den > 10**decimals:
        why = f"reports.health.{key}: {text} has more than {digits} digits, or more than {decimals} decimals"
        raise ConfigError(why, op="reports.settings", hint="write it shorter; a report tells four decimals at the most")
    return value


def chosen(values: Mapping[str, Exact], symbol: str, otherwise: Exact) -> Exact:
    """The value of a symbol, else the default one, else *otherwise*."""
    return values.get(symbol) or values.get(DEFAULT) or otherwise
