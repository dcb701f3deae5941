import "./globals.css";
import type { ReactNode } from "react";

export const metadata = { title: "Value Delivered" };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
