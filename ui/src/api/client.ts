/** The control API, typed by its OpenAPI description. The session cookie of the sign-in link is the credential. */
import createClient from "openapi-fetch";

import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** What the site says of a request that it refuses: what was wrong, where, and what to do. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly place: string | null,
    readonly remedy: string | null,
  ) {
    super(message);
  }
}

export const api = createClient<paths>({ baseUrl: "/" });

api.use({
  onRequest({ request }) {
    if (request.method !== "GET") request.headers.set("Idempotency-Key", crypto.randomUUID());
    return request;
  },
  async onResponse({ response }) {
    if (response.ok) return response;
    throw await refusalOf(response);
  },
  onError() {
    return new Refusal(0, "the site does not answer", null, "tidemill status");
  },
});

async function refusalOf(response: Response): Promise<Refusal> {
  try {
    const body = (await response.json()) as { message?: string; place?: string | null; remedy?: string | null };
    return new Refusal(response.status, body.message ?? response.statusText, body.place ?? null, body.remedy ?? null);
  } catch {
    return new Refusal(response.status, `the site answered ${response.status}`, null, null);
  }
}

/** The body of an answer: a refusal was thrown already. */
export async function told<Body>(answer: Promise<{ data?: Body; error?: unknown }>): Promise<Body> {
  const { data } = await answer;
  if (data === undefined) throw new Refusal(0, "the site answered nothing", null, null);
  return data;
}
