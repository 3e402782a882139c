-- Rights that nobody used, and some that were missing. What was done to the outside is remembered for ever: a process that
-- could forget it would do it twice.
REVOKE DELETE ON effect.mails, effect.triggers, effect.registrations, effect.authorities, effect.documents, effect.outages_told
    FROM vignettes_projector;
REVOKE DELETE ON view.checks FROM vignettes_projector;

-- Each process looks whether the schema is that of its code, also by a login that did not migrate it.
GRANT SELECT ON public.vignettes_migrations
    TO vignettes_owner, vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor, vignettes_ledger;

-- As view.show says it with every edition that is shown: so it is the same before the next one.
GRANT SELECT ON ALL TABLES IN SCHEMA read TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
