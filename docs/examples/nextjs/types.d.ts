import "next-auth";
import "next-auth/jwt";
import type { DetailedHTMLProps, HTMLAttributes } from "react";

type CustomElement = DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement>;

type Feed = CustomElement & {
  endpoint: string;
  period?: string;
  refresh?: string;
  "sign-in-url"?: string;
  "agent-names"?: string;
  "url-state"?: "";
  "cost-endpoint"?: string;
  owner?: string;
  "api-url"?: string;
  "keys-url"?: string;
};

type Keys = CustomElement & {
  endpoint: string;
  "sign-in-url"?: string;
  "agent-names"?: string;
  "api-url"?: string;
  "mcp-url"?: string;
};

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "value-delivered": Feed;
      "outcome-keys": Keys;
    }
  }
}

declare module "next-auth" {
  interface Session {
    userId?: number | null;
  }
}

declare module "next-auth/jwt" {
  interface JWT {
    userId?: number | null;
  }
}
