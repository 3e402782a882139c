-- Customers fetch the authority's document from the page of their order: the ordering service opens it for them.
GRANT USAGE ON SCHEMA effect TO vignettes_writer;
GRANT SELECT ON effect.documents TO vignettes_writer;
