"""Convert instants, and divide time into the days, weeks and months of a time zone. It knows neither HTTP nor AWS."""
