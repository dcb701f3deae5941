import "next-auth";
import "next-auth/jwt";
import type { DetailedHTMLProps, HTMLAttributes } from "react";

type Feed = DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement> & {
  endpoint: string;
  period?: string;
  refresh?: string;
  "sign-in-url"?: string;
  "agent-names"?: string;
  "url-state"?: "";
  "cost-endpoint"?: string;
};

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "value-delivered": Feed;
    }
  }
}

declare module "next-auth" {
  interface Session {
    userId?: number;
  }
}

declare module "next-auth/jwt" {
  interface JWT {
    userId?: number;
  }
}
