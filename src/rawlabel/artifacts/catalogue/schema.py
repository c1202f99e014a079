"""The tables of a catalogue, as steps from one version to the next.

`class` is what was asked; `query` one keyword search of one source; `part` a piece of a query that the source
can answer in full (a slice of upload dates, say) and how far it got; `photo` one object of one site;
`label_event` a search returned a photo; `outcome` what became of its download; `api_call` when a source's API
was asked, for its budget; `presence` what a site answered when it was asked about a photo again, and
`last_presence` the newest answer about each photo; `refusing_host` a host that refused whatever it was asked.
"""

from __future__ import annotations

# Append only: a catalogue made by an older version is brought up to date step by step.
MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "first tables",
        """
        CREATE TABLE class (
            class_id TEXT PRIMARY KEY, position INTEGER NOT NULL, name TEXT NOT NULL, keywords TEXT NOT NULL
        );
        CREATE TABLE query (
            source TEXT NOT NULL, class_id TEXT NOT NULL REFERENCES class, keyword TEXT NOT NULL,
            position INTEGER NOT NULL, cursor TEXT, total_reported INTEGER, exhausted INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (source, class_id, keyword)
        );
        CREATE TABLE photo (
            source TEXT NOT NULL, photo_id TEXT NOT NULL, url TEXT, page_url TEXT, title TEXT NOT NULL,
            tags TEXT NOT NULL, author TEXT NOT NULL, author_id TEXT NOT NULL, license_id TEXT NOT NULL,
            license_name TEXT NOT NULL, license_url TEXT NOT NULL, uploaded_at INTEGER, taken_at TEXT,
            width INTEGER, height INTEGER,
            PRIMARY KEY (source, photo_id)
        );
        CREATE TABLE label_event (
            source TEXT NOT NULL, photo_id TEXT NOT NULL, class_id TEXT NOT NULL, keyword TEXT NOT NULL,
            rank INTEGER NOT NULL,
            PRIMARY KEY (source, photo_id, class_id, keyword),
            FOREIGN KEY (source, photo_id) REFERENCES photo
        );
        CREATE INDEX label_event_by_query ON label_event (source, class_id, keyword, rank);
        CREATE TABLE outcome (
            source TEXT NOT NULL, photo_id TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
            http_status INTEGER, final_url TEXT, sha256 TEXT, num_bytes INTEGER, media_type TEXT,
            recorded_at INTEGER NOT NULL,
            PRIMARY KEY (source, photo_id),
            FOREIGN KEY (source, photo_id) REFERENCES photo
        );
        """,
    ),
    (
        "searches in parts, identity across sources, and more facts about photos and downloads",
        """
        ALTER TABLE class ADD COLUMN definition TEXT NOT NULL DEFAULT '';
        CREATE TABLE part (
            source TEXT NOT NULL, class_id TEXT NOT NULL, keyword TEXT NOT NULL, name TEXT NOT NULL,
            bounds TEXT NOT NULL, state TEXT NOT NULL, cursor TEXT, pages INTEGER NOT NULL DEFAULT 0,
            total_reported INTEGER,
            PRIMARY KEY (source, class_id, keyword, name),
            FOREIGN KEY (source, class_id, keyword) REFERENCES query
        );
        INSERT INTO part SELECT source, class_id, keyword, '', '{}',
            CASE exhausted WHEN 1 THEN 'done' ELSE 'open' END, cursor, cursor IS NOT NULL, total_reported
            FROM query;
        ALTER TABLE query DROP COLUMN cursor;
        ALTER TABLE query DROP COLUMN exhausted;
        ALTER TABLE query ADD COLUMN until INTEGER;
        ALTER TABLE photo ADD COLUMN author_url TEXT;
        ALTER TABLE photo ADD COLUMN size_label TEXT NOT NULL DEFAULT '';
        ALTER TABLE photo ADD COLUMN origin TEXT NOT NULL DEFAULT '';
        ALTER TABLE photo ADD COLUMN stated_sha1 TEXT;
        ALTER TABLE photo ADD COLUMN found_at INTEGER;
        CREATE INDEX photo_by_origin ON photo (origin) WHERE origin <> '';
        ALTER TABLE label_event ADD COLUMN part TEXT NOT NULL DEFAULT '';
        ALTER TABLE label_event ADD COLUMN searched_at INTEGER;
        CREATE INDEX label_event_by_class ON label_event (class_id);
        ALTER TABLE outcome ADD COLUMN stored_sha256 TEXT;
        UPDATE outcome SET stored_sha256 = sha256;
        ALTER TABLE outcome ADD COLUMN pixel_sha256 TEXT;
        ALTER TABLE outcome ADD COLUMN perceptual_hash TEXT;
        ALTER TABLE outcome ADD COLUMN width INTEGER;
        ALTER TABLE outcome ADD COLUMN height INTEGER;
        ALTER TABLE outcome ADD COLUMN etag TEXT;
        ALTER TABLE outcome ADD COLUMN last_modified TEXT;
        ALTER TABLE outcome ADD COLUMN detail TEXT;
        ALTER TABLE outcome ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1;
        CREATE TABLE api_call (source TEXT NOT NULL, called_at REAL NOT NULL);
        CREATE INDEX api_call_by_time ON api_call (source, called_at);
        """,
    ),
    (
        "label events of photos that a list of another source's photos brought",
        """
        ALTER TABLE label_event ADD COLUMN found_by TEXT NOT NULL DEFAULT '';
        UPDATE label_event SET found_by = source;
        DROP INDEX label_event_by_query;
        CREATE INDEX label_event_by_query ON label_event (found_by, class_id, keyword, rank);
        """,
    ),
    (
        "what sites answered when they were asked about photos again",
        """
        CREATE TABLE presence (
            source TEXT NOT NULL, photo_id TEXT NOT NULL, asked_at INTEGER NOT NULL, is_there INTEGER NOT NULL,
            license_name TEXT, license_url TEXT, reason TEXT,
            PRIMARY KEY (source, photo_id, asked_at),
            FOREIGN KEY (source, photo_id) REFERENCES photo
        );
        CREATE VIEW last_presence AS SELECT * FROM presence AS one WHERE asked_at = (
            SELECT max(asked_at) FROM presence AS other
            WHERE (other.source, other.photo_id) = (one.source, one.photo_id)
        );
        CREATE INDEX outcome_by_stored ON outcome (stored_sha256);
        """,
    ),
    (
        "what the pages of a part listed, against the total that the site states",
        """
        ALTER TABLE part ADD COLUMN num_listed INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE part ADD COLUMN num_barren INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE part ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;
        UPDATE part SET num_listed = (SELECT count(*) FROM label_event e WHERE
            (e.found_by, e.class_id, e.keyword, e.part) = (part.source, part.class_id, part.keyword, part.name));
        """,
    ),
    (
        "what later runs ask again, and how often: parts whose pages came short, hosts that refuse everything",
        """
        ALTER TABLE part ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE part ADD COLUMN num_repeat_new INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE part ADD COLUMN missing_before INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE part ADD COLUMN is_due INTEGER NOT NULL DEFAULT 0;
        UPDATE part SET is_due = 1 WHERE state = 'incomplete';
        CREATE TABLE refusing_host (
            host TEXT PRIMARY KEY, runs INTEGER NOT NULL DEFAULT 0, refusals INTEGER NOT NULL DEFAULT 0
        );
        """,
    ),
)
