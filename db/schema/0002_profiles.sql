-- What was learnt of clusters, as `planner calibrate` writes it.
CREATE TABLE profile (
  name TEXT PRIMARY KEY CHECK (name <> ''),
  saved_at TEXT NOT NULL CHECK (saved_at GLOB
    '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z'),  -- UTC
  text TEXT NOT NULL CHECK (text <> '')    -- YAML
) STRICT;
