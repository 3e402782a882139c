// The alternative in Node: emmett on PostgreSQL as its guide shows it, with the same four commands an order.
// Gets as JSON on stdin what to measure; prints the latencies in ms of each kind of command.
import { randomInt, randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const asked = JSON.parse(await text(process.stdin));
const require = createRequire(`${asked.installed}/`);
const { CommandHandler } = require("@event-driven-io/emmett");
const { getPostgreSQLEventStore } = require("@event-driven-io/emmett-postgresql");
const { Pool } = require("pg");

const evolve = (state, { type, data }) => {
  switch (type) {
    case "Placed":
      return { ...data, paid: 0, status: "awaiting_payment" };
    case "PaymentReceived":
      return { ...state, payment: data, paid: state.paid + data.amount, status: "scheduled" };
    case "RegistrationStarted":
      return { ...state, started: data, status: "registering" };
    case "VignetteIssued":
      return { ...state, vignette: data, status: "issued" };
    default:
      return state;
  }
};

const handle = CommandHandler({ evolve, initialState: () => ({ status: "new" }) });

const mustBe = (state, status) => {
  if (state.status !== status) throw new Error(`expected an order that is ${status}, found ${state.status}`);
};

// A command of its own for each step: load, decide, append, commit.
const step = (status, type, data) => (state) => {
  mustBe(state, status);
  return { type, data };
};

const dayFrom = (start, days) => new Date(start.getTime() + days * 86_400_000).toISOString().slice(0, 10);

const stepsOfAnOrder = () => {
  const now = new Date();
  const ahead = randomInt(2, 29);
  const drawn = String(randomInt(10 ** 9)).padStart(9, "0");
  const [from, until] = [dayFrom(now, ahead), dayFrom(now, ahead + 10)];
  const plate = `${randomInt(1, 10)}A${randomInt(1, 10)} ${randomInt(1000, 10_000)}`;
  const at = now.toISOString();
  return {
    place: step("new", "Placed", {
      product: "CZ-10D", plate, valid_from: from, email: `driver-${drawn}@example.com`,
    }),
    receive_payment: step("awaiting_payment", "PaymentReceived", {
      payment_id: randomUUID(), amount: 1250, currency: "CZK", received_at: at,
    }),
    start_registration: step("scheduled", "RegistrationStarted", {
      rule: "at_once", consent: "2026-01", given_at: at,
    }),
    record_issue: step("registering", "VignetteIssued", {
      number: `CZ-${drawn}`, reference: `authority-${drawn}`, valid_from: from, valid_until: until,
    }),
  };
};

const orderWhileOpen = async (store, { begins, ends }, latencies) => {
  while (performance.now() < ends) {
    const id = `order-${randomUUID()}`;
    for (const [command, decide] of Object.entries(stepsOfAnOrder())) {
      const began = performance.now();
      await handle(store, id, decide);
      const ended = performance.now();
      if (begins <= ended && ended < ends) (latencies[command] ??= []).push(ended - began);
    }
  }
};

// As many connections as commands in flight: the pool's ten by default would hold it back.
const pool = new Pool({ connectionString: asked.database_url, max: asked.in_flight });
const store = getPostgreSQLEventStore(asked.database_url, { connectionOptions: { pool } });
await store.schema.migrate();

const begins = performance.now() + asked.warm_up * 1000;
const window = { begins, ends: begins + asked.seconds * 1000 };
const latencies = {};
await Promise.all(Array.from({ length: asked.in_flight }, () => orderWhileOpen(store, window, latencies)));
await store.close();
await pool.end();
process.stdout.write(JSON.stringify(latencies));
