import { createContext, use } from "react";
import type { Gateway } from "./gateway";

export const GatewayContext = createContext<Gateway | null>(null);

/** The gateway that the page around speaks to. */
export function useGateway(): Gateway {
  const gateway = use(GatewayContext);
  if (gateway === null) throw new Error("there is no GatewayContext around this component");
  return gateway;
}
