"""Data in and out: importers, a whole journal, CSV, Parquet and data frames."""
