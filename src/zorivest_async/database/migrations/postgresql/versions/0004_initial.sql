CREATE FUNCTION zorivest_next_id(numbered text, amount bigint DEFAULT 1) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    journal bigint := nullif(current_setting('zorivest.journal', true), '')::bigint;
    noted text[] := string_to_array(current_setting('zorivest.' || numbered, true), ':');
    last bigint;
BEGIN
    IF noted[1] = journal::text THEN
        last := noted[2]::bigint;
    ELSE
        EXECUTE format('SELECT %I FROM journals WHERE id = $1 FOR NO KEY UPDATE', 'last_' || numbered)
            INTO last USING journal;
        IF last IS NULL THEN
            RAISE insufficient_privilege USING MESSAGE = 'the transaction has no journal: set zorivest.journal first';
        END IF;
    END IF;
    PERFORM set_config('zorivest.' || numbered, concat(journal, ':', last + amount), true);
    RETURN last + 1;
END
$$;

CREATE TABLE journals (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT COLLATE "C" NOT NULL,
    encryption TEXT COLLATE "C",
    salt BYTEA,
    profile TEXT COLLATE "C",
    hash_key BYTEA,
    search TEXT COLLATE "C" DEFAULT 'words' NOT NULL,
    turn BIGINT DEFAULT 0 NOT NULL,
    recent UUID[] DEFAULT '{}'::uuid[] NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_balance_snapshots BIGINT DEFAULT 0 NOT NULL,
    last_images BIGINT DEFAULT 0 NOT NULL,
    last_trade_plans BIGINT DEFAULT 0 NOT NULL,
    last_trade_reports BIGINT DEFAULT 0 NOT NULL,
    last_watchlist_items BIGINT DEFAULT 0 NOT NULL,
    last_watchlists BIGINT DEFAULT 0 NOT NULL,
    last_zorivest_imports BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_journals PRIMARY KEY (id),
    CONSTRAINT uq_journals_name UNIQUE (name),
    CONSTRAINT ck_journals_name CHECK (octet_length(name) BETWEEN 1 AND 1024),
    CONSTRAINT ck_journals_encryption CHECK (encryption IN ('sealed', 'server')),
    CONSTRAINT ck_journals_search CHECK (search IN ('words', 'prefixes', 'off'))
);

CREATE TABLE accounts (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL,
    name BYTEA NOT NULL,
    account_type TEXT COLLATE "C" NOT NULL,
    institution BYTEA,
    currency TEXT COLLATE "C",
    is_tax_advantaged BOOLEAN,
    notes BYTEA,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_accounts PRIMARY KEY (journal_id, account_id),
    CONSTRAINT fk_accounts_journal_id_journals FOREIGN KEY(journal_id) REFERENCES journals (id),
    CONSTRAINT ck_accounts_account_type CHECK (account_type IN ('broker', 'bank', 'revolving', 'installment', 'ira', '401k'))
);

CREATE TABLE images (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    id BIGINT DEFAULT zorivest_next_id('images') NOT NULL,
    owner_type TEXT COLLATE "C" NOT NULL,
    owner_id TEXT COLLATE "C" NOT NULL,
    thumbnail BYTEA,
    mime_type TEXT COLLATE "C",
    caption BYTEA,
    width BIGINT,
    height BIGINT,
    file_size BIGINT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    preview BYTEA,
    CONSTRAINT pk_images PRIMARY KEY (journal_id, id),
    CONSTRAINT fk_images_journal_id_journals FOREIGN KEY(journal_id) REFERENCES journals (id),
    CONSTRAINT ck_images_owner_type CHECK (owner_type IN ('trade', 'report', 'plan'))
);

CREATE INDEX ix_images_owner_type_owner_id_id ON images (journal_id, owner_type, owner_id, id);

CREATE TABLE journal_keys (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    number BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    wrapped BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_journal_keys PRIMARY KEY (journal_id, number, name),
    CONSTRAINT fk_journal_keys_journal_id_journals FOREIGN KEY(journal_id) REFERENCES journals (id)
);

CREATE TABLE market_provider_settings (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    provider_name TEXT COLLATE "C" NOT NULL,
    encrypted_api_key BYTEA,
    rate_limit BIGINT,
    timeout BIGINT,
    is_enabled BOOLEAN,
    last_tested_at TIMESTAMP WITH TIME ZONE,
    last_test_status TEXT COLLATE "C",
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_market_provider_settings PRIMARY KEY (journal_id, provider_name),
    CONSTRAINT fk_market_provider_settings_journal_id_journals FOREIGN KEY(journal_id) REFERENCES journals (id),
    CONSTRAINT ck_market_provider_settings_encrypted_api_key CHECK (get_byte(encrypted_api_key, 0) > 0 OR substr(encrypted_api_key, 2, 4) = '\x454e433a'::bytea)
);

CREATE TABLE search_words (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    words TSVECTOR NOT NULL,
    CONSTRAINT pk_search_words PRIMARY KEY (journal_id, kind, key),
    CONSTRAINT fk_search_words_journal_id_journals FOREIGN KEY(journal_id) REFERENCES journals (id)
);

CREATE INDEX ix_search_words_words ON search_words USING gin (words);

CREATE TABLE settings (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    value BYTEA,
    value_type TEXT COLLATE "C",
    updated_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_settings PRIMARY KEY (journal_id, key),
    CONSTRAINT fk_settings_journal_id_journals FOREIGN KEY(journal_id) REFERENCES journals (id),
    CONSTRAINT ck_settings_value_type CHECK (value_type IN ('str', 'int', 'float', 'bool', 'json'))
);

CREATE TABLE watchlists (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    id BIGINT DEFAULT zorivest_next_id('watchlists') NOT NULL,
    name BYTEA NOT NULL,
    name_hash BYTEA,
    description BYTEA,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_watchlists PRIMARY KEY (journal_id, id),
    CONSTRAINT fk_watchlists_journal_id_journals FOREIGN KEY(journal_id) REFERENCES journals (id)
);

CREATE INDEX ix_watchlists_name ON watchlists (journal_id, name_hash);

CREATE TABLE zorivest_imports (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    id BIGINT DEFAULT zorivest_next_id('zorivest_imports') NOT NULL,
    source BYTEA NOT NULL,
    sha256 BYTEA NOT NULL,
    sha256_hash BYTEA,
    profile TEXT COLLATE "C",
    imported_at TIMESTAMP WITH TIME ZONE NOT NULL,
    inserted BIGINT NOT NULL,
    duplicate BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    CONSTRAINT pk_zorivest_imports PRIMARY KEY (journal_id, id),
    CONSTRAINT fk_zorivest_imports_journal_id_journals FOREIGN KEY(journal_id) REFERENCES journals (id)
);

CREATE INDEX ix_zorivest_imports_sha256 ON zorivest_imports (journal_id, sha256_hash);

CREATE TABLE balance_snapshots (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    id BIGINT DEFAULT zorivest_next_id('balance_snapshots') NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL,
    datetime TIMESTAMP WITH TIME ZONE NOT NULL,
    balance DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_balance_snapshots PRIMARY KEY (journal_id, id),
    CONSTRAINT fk_balance_snapshots_account_id_accounts FOREIGN KEY(journal_id, account_id) REFERENCES accounts (journal_id, account_id)
);

CREATE INDEX ix_balance_snapshots_account_id_datetime_id ON balance_snapshots (journal_id, account_id, datetime, id);

CREATE TABLE image_chunks (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    image_id BIGINT NOT NULL,
    n BIGINT NOT NULL,
    data BYTEA NOT NULL,
    CONSTRAINT pk_image_chunks PRIMARY KEY (journal_id, image_id, n),
    CONSTRAINT fk_image_chunks_image_id_images FOREIGN KEY(journal_id, image_id) REFERENCES images (journal_id, id) ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE TABLE trades (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    exec_id TEXT COLLATE "C" NOT NULL,
    time TIMESTAMP WITH TIME ZONE NOT NULL,
    instrument TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    quantity DOUBLE PRECISION NOT NULL,
    price DOUBLE PRECISION NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL,
    commission DOUBLE PRECISION,
    realized_pnl DOUBLE PRECISION,
    currency TEXT COLLATE "C",
    multiplier DOUBLE PRECISION DEFAULT '1.0' NOT NULL,
    asset_class TEXT COLLATE "C",
    fees DOUBLE PRECISION DEFAULT '0.0' NOT NULL,
    commission_currency TEXT COLLATE "C",
    notes BYTEA,
    order_id BYTEA,
    result_after_costs BOOLEAN,
    sequence BIGINT,
    CONSTRAINT pk_trades PRIMARY KEY (journal_id, exec_id),
    CONSTRAINT ck_trades_action CHECK (action IN ('BOT', 'SLD')),
    CONSTRAINT fk_trades_account_id_accounts FOREIGN KEY(journal_id, account_id) REFERENCES accounts (journal_id, account_id)
);

CREATE INDEX ix_trades_account_id_time_exec_id ON trades (journal_id, account_id, time, exec_id);

CREATE INDEX ix_trades_instrument_time_exec_id ON trades (journal_id, instrument, time, exec_id);

CREATE INDEX ix_trades_time_exec_id ON trades (journal_id, time, exec_id);

CREATE TABLE watchlist_items (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    id BIGINT DEFAULT zorivest_next_id('watchlist_items') NOT NULL,
    watchlist_id BIGINT NOT NULL,
    ticker TEXT COLLATE "C" NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL,
    notes BYTEA,
    CONSTRAINT pk_watchlist_items PRIMARY KEY (journal_id, id),
    CONSTRAINT fk_watchlist_items_watchlist_id_watchlists FOREIGN KEY(journal_id, watchlist_id) REFERENCES watchlists (journal_id, id)
);

CREATE INDEX ix_watchlist_items_watchlist_id ON watchlist_items (journal_id, watchlist_id);

CREATE TABLE zorivest_import_rows (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    import_id BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    before BYTEA,
    hash_after BYTEA,
    CONSTRAINT pk_zorivest_import_rows PRIMARY KEY (journal_id, import_id, kind, key),
    CONSTRAINT fk_zorivest_import_rows_import_id_zorivest_imports FOREIGN KEY(journal_id, import_id) REFERENCES zorivest_imports (journal_id, id)
);

CREATE INDEX ix_zorivest_import_rows_key ON zorivest_import_rows (journal_id, key);

CREATE TABLE trade_plans (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    id BIGINT DEFAULT zorivest_next_id('trade_plans') NOT NULL,
    ticker TEXT COLLATE "C" NOT NULL,
    direction TEXT COLLATE "C" NOT NULL,
    conviction TEXT COLLATE "C" NOT NULL,
    strategy_name BYTEA,
    strategy_name_hash BYTEA,
    strategy_description BYTEA,
    entry_price DOUBLE PRECISION,
    stop_loss DOUBLE PRECISION,
    target_price DOUBLE PRECISION,
    entry_conditions BYTEA,
    exit_conditions BYTEA,
    timeframe TEXT COLLATE "C",
    status TEXT COLLATE "C",
    linked_trade_id TEXT COLLATE "C",
    account_id TEXT COLLATE "C",
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_trade_plans PRIMARY KEY (journal_id, id),
    CONSTRAINT fk_trade_plans_journal_id_journals FOREIGN KEY(journal_id) REFERENCES journals (id),
    CONSTRAINT ck_trade_plans_conviction CHECK (conviction IN ('low', 'medium', 'high', 'max')),
    CONSTRAINT ck_trade_plans_direction CHECK (direction IN ('BOT', 'SLD')),
    CONSTRAINT ck_trade_plans_status CHECK (status IN ('draft', 'active', 'executed', 'expired', 'cancelled')),
    CONSTRAINT fk_trade_plans_account_id_accounts FOREIGN KEY(journal_id, account_id) REFERENCES accounts (journal_id, account_id),
    CONSTRAINT fk_trade_plans_linked_trade_id_trades FOREIGN KEY(journal_id, linked_trade_id) REFERENCES trades (journal_id, exec_id)
);

CREATE INDEX ix_trade_plans_account_id ON trade_plans (journal_id, account_id);

CREATE INDEX ix_trade_plans_linked_trade_id ON trade_plans (journal_id, linked_trade_id);

CREATE INDEX ix_trade_plans_strategy_name_hash ON trade_plans (journal_id, strategy_name_hash);

CREATE INDEX ix_trade_plans_ticker ON trade_plans (journal_id, ticker);

CREATE TABLE trade_reports (
    journal_id BIGINT DEFAULT nullif(current_setting('zorivest.journal', true), '')::bigint NOT NULL,
    id BIGINT DEFAULT zorivest_next_id('trade_reports') NOT NULL,
    trade_id TEXT COLLATE "C" NOT NULL,
    setup_quality BIGINT,
    execution_quality BIGINT,
    followed_plan BOOLEAN,
    emotional_state BYTEA,
    lessons_learned BYTEA,
    tags BYTEA,
    tags_hash BYTEA[],
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_trade_reports PRIMARY KEY (journal_id, id),
    CONSTRAINT ck_trade_reports_execution_quality CHECK (execution_quality BETWEEN 1 AND 5),
    CONSTRAINT ck_trade_reports_setup_quality CHECK (setup_quality BETWEEN 1 AND 5),
    CONSTRAINT fk_trade_reports_trade_id_trades FOREIGN KEY(journal_id, trade_id) REFERENCES trades (journal_id, exec_id),
    CONSTRAINT uq_trade_reports_trade_id UNIQUE (journal_id, trade_id)
);

CREATE INDEX ix_trade_reports_tags_hash ON trade_reports USING gin (tags_hash);

ALTER TABLE image_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE FUNCTION zorivest_open_journal(journal_name text, create_it boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    found bigint;
BEGIN
    SELECT id INTO found FROM journals WHERE name = journal_name;
    IF found IS NULL AND create_it THEN
        INSERT INTO journals (name) VALUES (journal_name) ON CONFLICT DO NOTHING RETURNING id INTO found;
        IF found IS NULL THEN
            SELECT id INTO found FROM journals WHERE name = journal_name;
        END IF;
    END IF;
    RETURN found;
END
$$;

REVOKE EXECUTE ON FUNCTION zorivest_open_journal(text, boolean) FROM PUBLIC;

CREATE FUNCTION zorivest_raise_counter() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    given record;
    noted text[];
BEGIN
    FOR given IN SELECT journal_id AS journal, max(id) AS number FROM inserted GROUP BY journal_id LOOP
        EXECUTE format('UPDATE journals SET %1$I = $1 WHERE id = $2 AND %1$I < $1', 'last_' || TG_TABLE_NAME)
            USING given.number, given.journal;
        noted := string_to_array(current_setting('zorivest.' || TG_TABLE_NAME, true), ':');
        IF noted[1] = given.journal::text AND noted[2]::bigint < given.number THEN
            PERFORM set_config('zorivest.' || TG_TABLE_NAME, concat(given.journal, ':', given.number), true);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_counter_balance_snapshots AFTER INSERT ON balance_snapshots REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_raise_counter();

CREATE TRIGGER zorivest_counter_images AFTER INSERT ON images REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_raise_counter();

CREATE TRIGGER zorivest_counter_trade_plans AFTER INSERT ON trade_plans REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_raise_counter();

CREATE TRIGGER zorivest_counter_trade_reports AFTER INSERT ON trade_reports REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_raise_counter();

CREATE TRIGGER zorivest_counter_watchlist_items AFTER INSERT ON watchlist_items REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_raise_counter();

CREATE TRIGGER zorivest_counter_watchlists AFTER INSERT ON watchlists REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_raise_counter();

CREATE TRIGGER zorivest_counter_zorivest_imports AFTER INSERT ON zorivest_imports REFERENCING NEW TABLE AS inserted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_raise_counter();

CREATE FUNCTION zorivest_deleted_from_accounts() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM search_words USING deleted WHERE search_words.journal_id = deleted.journal_id
    AND kind = 'account' AND search_words.key = deleted.account_id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_deleted_from_accounts AFTER DELETE ON accounts REFERENCING OLD TABLE AS deleted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_deleted_from_accounts();

CREATE FUNCTION zorivest_renamed_in_accounts() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE search_words SET key = NEW.account_id::text
    WHERE journal_id = OLD.journal_id AND kind = 'account' AND key = OLD.account_id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_renamed_in_accounts AFTER UPDATE OF account_id ON accounts
FOR EACH ROW WHEN (OLD.account_id IS DISTINCT FROM NEW.account_id) EXECUTE FUNCTION zorivest_renamed_in_accounts();

CREATE FUNCTION zorivest_deleted_from_images() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM search_words USING deleted WHERE search_words.journal_id = deleted.journal_id
    AND kind = 'image' AND search_words.key = deleted.id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_deleted_from_images AFTER DELETE ON images REFERENCING OLD TABLE AS deleted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_deleted_from_images();

CREATE FUNCTION zorivest_renamed_in_images() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE search_words SET key = NEW.id::text
    WHERE journal_id = OLD.journal_id AND kind = 'image' AND key = OLD.id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_renamed_in_images AFTER UPDATE OF id ON images
FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION zorivest_renamed_in_images();

CREATE FUNCTION zorivest_deleted_from_trade_plans() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM images USING deleted WHERE images.journal_id = deleted.journal_id
    AND owner_type = 'plan' AND images.owner_id = deleted.id::text;
    DELETE FROM search_words USING deleted WHERE search_words.journal_id = deleted.journal_id
    AND kind = 'plan' AND search_words.key = deleted.id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_deleted_from_trade_plans AFTER DELETE ON trade_plans REFERENCING OLD TABLE AS deleted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_deleted_from_trade_plans();

CREATE FUNCTION zorivest_renamed_in_trade_plans() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE images SET owner_id = NEW.id::text
    WHERE journal_id = OLD.journal_id AND owner_type = 'plan' AND owner_id = OLD.id::text;
    UPDATE search_words SET key = NEW.id::text
    WHERE journal_id = OLD.journal_id AND kind = 'plan' AND key = OLD.id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_renamed_in_trade_plans AFTER UPDATE OF id ON trade_plans
FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION zorivest_renamed_in_trade_plans();

CREATE FUNCTION zorivest_deleted_from_trade_reports() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM images USING deleted WHERE images.journal_id = deleted.journal_id
    AND owner_type = 'report' AND images.owner_id = deleted.id::text;
    DELETE FROM search_words USING deleted WHERE search_words.journal_id = deleted.journal_id
    AND kind = 'report' AND search_words.key = deleted.id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_deleted_from_trade_reports AFTER DELETE ON trade_reports REFERENCING OLD TABLE AS deleted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_deleted_from_trade_reports();

CREATE FUNCTION zorivest_renamed_in_trade_reports() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE images SET owner_id = NEW.id::text
    WHERE journal_id = OLD.journal_id AND owner_type = 'report' AND owner_id = OLD.id::text;
    UPDATE search_words SET key = NEW.id::text
    WHERE journal_id = OLD.journal_id AND kind = 'report' AND key = OLD.id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_renamed_in_trade_reports AFTER UPDATE OF id ON trade_reports
FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION zorivest_renamed_in_trade_reports();

CREATE FUNCTION zorivest_deleted_from_trades() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM images USING deleted WHERE images.journal_id = deleted.journal_id
    AND owner_type = 'trade' AND images.owner_id = deleted.exec_id::text;
    DELETE FROM search_words USING deleted WHERE search_words.journal_id = deleted.journal_id
    AND kind = 'trade' AND search_words.key = deleted.exec_id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_deleted_from_trades AFTER DELETE ON trades REFERENCING OLD TABLE AS deleted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_deleted_from_trades();

CREATE FUNCTION zorivest_renamed_in_trades() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE images SET owner_id = NEW.exec_id::text
    WHERE journal_id = OLD.journal_id AND owner_type = 'trade' AND owner_id = OLD.exec_id::text;
    UPDATE search_words SET key = NEW.exec_id::text
    WHERE journal_id = OLD.journal_id AND kind = 'trade' AND key = OLD.exec_id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_renamed_in_trades AFTER UPDATE OF exec_id ON trades
FOR EACH ROW WHEN (OLD.exec_id IS DISTINCT FROM NEW.exec_id) EXECUTE FUNCTION zorivest_renamed_in_trades();

CREATE FUNCTION zorivest_deleted_from_watchlist_items() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM search_words USING deleted WHERE search_words.journal_id = deleted.journal_id
    AND kind = 'watchlist_item' AND search_words.key = deleted.id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_deleted_from_watchlist_items AFTER DELETE ON watchlist_items REFERENCING OLD TABLE AS deleted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_deleted_from_watchlist_items();

CREATE FUNCTION zorivest_renamed_in_watchlist_items() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE search_words SET key = NEW.id::text
    WHERE journal_id = OLD.journal_id AND kind = 'watchlist_item' AND key = OLD.id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_renamed_in_watchlist_items AFTER UPDATE OF id ON watchlist_items
FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION zorivest_renamed_in_watchlist_items();

CREATE FUNCTION zorivest_deleted_from_watchlists() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM search_words USING deleted WHERE search_words.journal_id = deleted.journal_id
    AND kind = 'watchlist' AND search_words.key = deleted.id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_deleted_from_watchlists AFTER DELETE ON watchlists REFERENCING OLD TABLE AS deleted
FOR EACH STATEMENT EXECUTE FUNCTION zorivest_deleted_from_watchlists();

CREATE FUNCTION zorivest_renamed_in_watchlists() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE search_words SET key = NEW.id::text
    WHERE journal_id = OLD.journal_id AND kind = 'watchlist' AND key = OLD.id::text;
    RETURN NULL;
END
$$;

CREATE TRIGGER zorivest_renamed_in_watchlists AFTER UPDATE OF id ON watchlists
FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION zorivest_renamed_in_watchlists();

ALTER TABLE journals ENABLE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON journals USING (id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON accounts USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE images ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON images USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE journal_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON journal_keys USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE market_provider_settings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON market_provider_settings USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE search_words ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON search_words USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE settings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON settings USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE watchlists ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON watchlists USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE zorivest_imports ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON zorivest_imports USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE balance_snapshots ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON balance_snapshots USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE image_chunks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON image_chunks USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE trades ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON trades USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE watchlist_items ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON watchlist_items USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE zorivest_import_rows ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON zorivest_import_rows USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE trade_plans ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON trade_plans USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);

ALTER TABLE trade_reports ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY zorivest_journal ON trade_reports USING (journal_id = nullif(current_setting('zorivest.journal', true), '')::bigint);
