-- One row for each saved estimate. Text is UTF-8; an unknown number is NULL, never 0.
CREATE TABLE run (
  number INTEGER PRIMARY KEY,              -- counts up: the order of saving
  id TEXT CHECK (id <> ''),                -- NULL: the run has none
  name TEXT NOT NULL,
  saved_at TEXT NOT NULL CHECK (saved_at GLOB
    '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z'),  -- UTC
  version TEXT NOT NULL,                   -- of the planner
  catalogue TEXT NOT NULL,                 -- hash of the data tables it used
  inputs TEXT NOT NULL,                    -- the run table's cells as given
  estimate TEXT NOT NULL,                  -- the run as in the output contract
  training_days REAL CHECK (training_days >= 0),
  facility_energy_mwh REAL CHECK (facility_energy_mwh >= 0),
  operational_tco2e REAL,
  embodied_tco2e REAL CHECK (embodied_tco2e >= 0),
  -- CASE, because json_type fails on what is no JSON at all.
  CHECK (CASE WHEN json_valid(inputs) THEN json_type(inputs) = 'object' ELSE 0 END),
  CHECK (CASE WHEN json_valid(estimate) THEN json_type(estimate) = 'object' ELSE 0 END)
) STRICT;

CREATE UNIQUE INDEX run_id ON run (id) WHERE id IS NOT NULL;
