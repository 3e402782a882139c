-- What authorities have issued is asked about again, slowly: they have changed validities later.
ALTER TABLE effect.registrations ADD rechecked_at timestamptz NOT NULL DEFAULT clock.now();
COMMENT ON COLUMN effect.registrations.rechecked_at IS 'When the authority was last asked whether it is still as recorded, by the service''s clock; from the start on as if then. Infinity: never again.';
CREATE INDEX registrations_to_recheck ON effect.registrations (country, rechecked_at) WHERE state = 'recorded';

ALTER TABLE effect.authorities ADD rechecked_at timestamptz;
COMMENT ON COLUMN effect.authorities.rechecked_at IS 'When the last questions about what it has issued were handed out.';
