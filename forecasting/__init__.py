"""From history and weather to forecast vintages.

The door is `forecasting.issue.Forecaster`:

- `Forecaster(network, targets, sums, settings=None)`: targets and sums as `gridcore.target` gives them, settings of
  `forecasting.settings.ForecastSettings`.
- `.fit(known) -> tuple[RegisteredModel, ...]`: all models as of `known.instant`; `HistoryTooShortError` under 5 days.
- `.issue(known, issue_time, mode, member="blend") -> Vintage`: mode `"intraday"` (16 steps) or `"day_ahead"` (three
  local days from the next midnight); member `"persistence"` or `"official"` gives that baseline alone. Never fails for
  want of history or of a model: `fallback_reason` says what was missing.
- `.issue_many(known, issue_times, mode, member="blend") -> list[Vintage]`: many issue times from one later cut.

`forecasting.kind_model.describe(model)` lists a model's members with weight and pinball loss; `forecasting.score` and
`forecasting.backtest` measure accuracy.
"""
