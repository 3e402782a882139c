CREATE OR REPLACE VIEW read.order_pages AS SELECT digest, order_id, position FROM view.order_pages;
COMMENT ON VIEW read.order_pages IS 'Which order a management link opens, by the SHA-256 of its token.';
