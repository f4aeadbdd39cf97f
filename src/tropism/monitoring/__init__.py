"""How a model and its data fare: matured performance, decay, drift, data quality. Reads arrays and Arrow tables."""
