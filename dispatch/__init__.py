"""From forecasts and grid state to plan and setpoints."""
