"""From history and weather to forecast vintages."""
