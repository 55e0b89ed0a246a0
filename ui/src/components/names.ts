/** What things are called on several pages. */
import type { Schemas } from "../api/client";

/** What a review asks for. */
export const reviewTitle = (review: Schemas["ReviewView"]) => (review.service ? `${review.model_version} → ${review.service}` : review.model_version);

export const liveRevision = (service: Schemas["ServiceView"]) => service.revisions?.find((one) => one.state === "live");

export const serviceState = (service: Schemas["ServiceView"]) => (service.degraded ? "degraded" : service.ready ? "ready" : "not_ready");
