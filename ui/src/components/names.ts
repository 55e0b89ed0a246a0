/** What things are called on several pages. */
import type { Schemas } from "../api/client";

/** What a review asks for. */
export const reviewTitle = (review: Schemas["ReviewView"]) => (review.service ? `${review.model_version} → ${review.service}` : review.model_version);

export const liveRevision = (service: Schemas["ServiceView"]) => service.revisions?.find((one) => one.state === "live");

export const serviceState = (service: Schemas["ServiceView"]) => (service.degraded ? "degraded" : service.ready ? "ready" : "not_ready");

type Trigger = Schemas["TriggerView"];

export const triggerState = (trigger: Trigger) => (trigger.paused_at ? "paused" : trigger.problem ? "warned" : "ready");

const SETTING_WORDS: Record<string, string> = { alert_kind: "of the kind", alert: "named", service: "about", cron: "at", zone: "in", every_seconds: "every", poll_seconds: "looked at every" };

/** What a trigger listens to, in a few words. */
export function whenOf(trigger: Trigger): string {
  const told = Object.entries(trigger.settings).filter(([name, value]) => name !== "schema_version" && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0));
  return told.map(([name, value]) => `${SETTING_WORDS[name] ?? name} ${Array.isArray(value) ? value.join(", ") : String(value)}${name.endsWith("_seconds") ? " s" : ""}`).join(", ");
}
