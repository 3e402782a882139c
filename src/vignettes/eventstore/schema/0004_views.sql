-- Tables of the projections. All of it can be rebuilt from the log.
CREATE TABLE view.positions (
    view       text        PRIMARY KEY,
    position   bigint      NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE view.positions IS 'How far each follower of the log has come; moved in the transaction of the rows it stands for.';

CREATE TABLE view.order_status (
    order_id          uuid PRIMARY KEY,
    order_number      text NOT NULL UNIQUE,
    status            text NOT NULL,
    country           text NOT NULL,
    product           text NOT NULL,
    vehicle_country   text NOT NULL,
    plate             text,
    valid_from        text NOT NULL,
    starts_at         timestamptz NOT NULL,
    ends_at           timestamptz NOT NULL,
    email             text,
    language          text NOT NULL,
    currency          text NOT NULL,
    price_official    bigint NOT NULL,
    price_fee         bigint NOT NULL,
    price_total       bigint NOT NULL,
    received          bigint NOT NULL,
    outstanding       bigint NOT NULL,
    surplus           bigint NOT NULL,
    refund            bigint,
    paid_at           timestamptz,
    due_at            timestamptz,
    due_rule          text,
    generation        integer NOT NULL,
    start_wished      boolean NOT NULL,
    hold_reason       text,
    started_at        timestamptz,
    started_rule      text,
    rejection_reason  text,
    vignette_number   text,
    vignette_reference text,
    vignette_valid_from  timestamptz,
    vignette_valid_until timestamptz,
    placed_at         timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    version           bigint NOT NULL,
    position          bigint NOT NULL
);
CREATE INDEX order_status_registering ON view.order_status (starts_at) WHERE status = 'registering';
CREATE INDEX order_status_by_status ON view.order_status (status, updated_at);
COMMENT ON TABLE view.order_status IS 'One row per order: where it stands. Amounts in minor units of currency, times as instants.';
COMMENT ON COLUMN view.order_status.country IS 'The authority''s country, ISO 3166.';
COMMENT ON COLUMN view.order_status.valid_from IS 'The wished start as the customer gave it: a date, or a time with offset.';
COMMENT ON COLUMN view.order_status.starts_at IS 'Computed start of validity, to inform; vignette_valid_from wins.';
COMMENT ON COLUMN view.order_status.ends_at IS 'Computed last second of validity, to inform; vignette_valid_until wins.';
COMMENT ON COLUMN view.order_status.outstanding IS 'Still to be paid.';
COMMENT ON COLUMN view.order_status.surplus IS 'Paid beyond the price and not yet returned.';
COMMENT ON COLUMN view.order_status.due_at IS 'When registration must start; null unless the order waits for just that.';
COMMENT ON COLUMN view.order_status.generation IS 'Which deadline counts: triggers of earlier generations are harmless.';
COMMENT ON COLUMN view.order_status.position IS 'Position in the log of the last event in this row.';

CREATE TABLE view.emails (
    order_id   uuid NOT NULL,
    version    bigint NOT NULL,
    kind       text NOT NULL,
    message_id text NOT NULL UNIQUE,
    recipient  text,
    language   text NOT NULL,
    facts      jsonb NOT NULL,
    called_at  timestamptz NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (order_id, version, kind)
);
CREATE INDEX emails_by_position ON view.emails (position);
COMMENT ON TABLE view.emails IS 'The mails that the log calls for; whether they left is effect.mails.';
COMMENT ON COLUMN view.emails.version IS 'Version of the order whose event called for the mail.';
COMMENT ON COLUMN view.emails.facts IS 'What the text says, as it was at that version.';

CREATE TABLE view.deadlines (
    order_id         uuid NOT NULL,
    purpose          text NOT NULL CHECK (purpose IN ('registration', 'expiry')),
    generation       integer NOT NULL,
    country          text NOT NULL,
    due_at           timestamptz NOT NULL,
    rule             text NOT NULL,
    zone             text NOT NULL,
    starts_at        timestamptz NOT NULL,
    mark_at          timestamptz NOT NULL,
    opens_at         timestamptz,
    money_arrived_at timestamptz,
    planned_at       timestamptz NOT NULL,
    ended_at         timestamptz,
    outcome          text CHECK (outcome IN ('started', 'superseded', 'cancelled', 'expired')),
    position         bigint NOT NULL,
    PRIMARY KEY (order_id, purpose, generation)
);
CREATE INDEX deadlines_open ON view.deadlines (due_at) WHERE ended_at IS NULL;
COMMENT ON TABLE view.deadlines IS 'The ledger of deadlines: why each order is due when, generation by generation.';
COMMENT ON COLUMN view.deadlines.rule IS 'The rule that decided due_at: lead, grace, at_once, window, notice; unpaid for expiry.';
COMMENT ON COLUMN view.deadlines.mark_at IS 'Start of validity less the lead, before any other rule.';
COMMENT ON COLUMN view.deadlines.opens_at IS 'Opening of the authority''s purchase window.';

-- What was done because of the views, remembered apart from them.
CREATE TABLE effect.mails (
    message_id  text PRIMARY KEY,
    order_id    uuid NOT NULL,
    subject     text NOT NULL,
    attempts    integer NOT NULL DEFAULT 0,
    sent_at     timestamptz,
    retry_at    timestamptz,
    last_error  text
);
COMMENT ON TABLE effect.mails IS 'Mails handed to the mail server, or tried. retry_at is by the real clock.';

CREATE TABLE effect.triggers (
    order_id   uuid NOT NULL,
    purpose    text NOT NULL,
    generation integer NOT NULL,
    fired_at   timestamptz NOT NULL,
    emitted_at timestamptz NOT NULL,
    emissions  integer NOT NULL DEFAULT 1,
    PRIMARY KEY (order_id, purpose, generation)
);
COMMENT ON TABLE effect.triggers IS 'Deadlines whose trigger was acknowledged by the stream.';
COMMENT ON COLUMN effect.triggers.fired_at IS 'The first time, by the service''s clock.';
COMMENT ON COLUMN effect.triggers.emitted_at IS 'The last time, by the real clock: one that led to nothing is sent again.';

CREATE TABLE effect.registrations (
    order_id     uuid NOT NULL,
    started_at   timestamptz NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    leased_by    uuid,
    leased_until timestamptz,
    retry_at     timestamptz,
    last_outcome text,
    PRIMARY KEY (order_id, started_at)
);
COMMENT ON TABLE effect.registrations IS 'Attempts at the authority per started registration, with the lease that keeps them single. Leases go by the real clock.';

CREATE VIEW read.order_status AS
    SELECT * FROM view.order_status;

CREATE VIEW read.emails AS
    SELECT e.order_id, e.version, e.kind, e.recipient, e.language, m.subject, e.message_id,
           CASE WHEN m.sent_at IS NOT NULL THEN 'sent' WHEN m.attempts > 0 THEN 'retrying' ELSE 'waiting' END AS state,
           e.called_at, m.sent_at, coalesce(m.attempts, 0) AS attempts, m.last_error, e.position
    FROM view.emails e LEFT JOIN effect.mails m USING (message_id);

CREATE VIEW read.deadlines AS
    SELECT d.*, t.fired_at, t.fired_at - d.due_at AS fired_late,
           CASE WHEN d.outcome = 'started' THEN greatest(d.ended_at - d.due_at, '0') END AS started_late
    FROM view.deadlines d LEFT JOIN effect.triggers t USING (order_id, purpose, generation);

CREATE VIEW read.projection_lag AS
    SELECT p.view, p.position, h.head, h.head - p.position AS events_behind, p.updated_at
    FROM view.positions p, (SELECT coalesce(max(notification_id), 0) AS head FROM log.events) h;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA view, effect TO vignettes_projector;
-- The ordering process answers queries too.
GRANT SELECT ON ALL TABLES IN SCHEMA view TO vignettes_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA read TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
