-- What changes whenever the page of an order would, for each of these links; one that was renewed is not among them.
SELECT p.digest, concat_ws('.', o.version, mails.sign)
FROM read.order_pages p JOIN read.order_status o USING (order_id)
CROSS JOIN LATERAL (
    SELECT concat_ws('.', count(*), count(sent_at), coalesce(sum(least(attempts, 1)), 0)) AS sign
    FROM read.emails e WHERE e.order_id = p.order_id
) AS mails
WHERE p.digest = ANY (%s)
