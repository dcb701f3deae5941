/**
 * The looks that both elements share. Theme: a page sets --value-delivered-*, once for both; what it does not set is this.
 * Both follow the viewer's preference; a page with one look says value-delivered { color-scheme: light }.
 */
export const BASE = new CSSStyleSheet();
BASE.replaceSync(`
:host {
  display: block; container-type: inline-size; contain-intrinsic-inline-size: 44rem;
  color-scheme: light dark;

  --accent: var(--value-delivered-accent, light-dark(#0a7558, #4fd3a4));
  --text: var(--value-delivered-text, light-dark(#12171d, #eceff3));
  --muted: var(--value-delivered-muted, light-dark(#59636f, #9ba6b3));
  --surface: var(--value-delivered-surface, light-dark(#ffffff, #14191f));
  --line: var(--value-delivered-line, light-dark(#e4e8ec, #2a323b));
  --danger: var(--value-delivered-danger, light-dark(#b3261e, #ff9c92));
  --radius: var(--value-delivered-radius, 16px);
  --tint: color-mix(in oklab, var(--accent) 11%, var(--surface));
  font-family: var(--value-delivered-font, inherit);
}
:host([hidden]) { display: none }
* { box-sizing: border-box; margin: 0; padding: 0 }
[hidden] { display: none !important }

.card {
  position: relative; overflow: clip; padding: 2rem; border: 1px solid var(--line); border-radius: var(--radius);
  background: var(--surface); color: var(--text); font-size: .9375rem; line-height: 1.5; text-align: start;
  overflow-wrap: anywhere;
}
h2 { font-size: .9375rem; font-weight: 600; outline: 0 }
h3 { font-size: 1.0625rem; font-weight: 600; letter-spacing: -.01em }
strong { font-weight: 600 }
svg { fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round }
a { color: var(--accent); font-weight: 600; text-underline-offset: .2em }
button, select, input, textarea { font: inherit; color: inherit; border: 1px solid var(--line); background: var(--surface) }
button { padding: .375rem 1rem; font-weight: 500; cursor: pointer }
.fault { color: var(--danger); font-size: .8125rem; font-weight: 500 }
.buttons { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem }
header { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .75rem }
.notice { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem 1rem }
.notice p { flex: 1 1 16rem }
.notice p span { color: var(--muted) }
.card:not([data-banner=""]) .notice { margin-block-start: 1.25rem; padding: .75rem 1rem; border-radius: .75rem; background: color-mix(in oklab, var(--muted) 9%, var(--surface)); font-size: .875rem }
.rows > li + li { border-block-start: 1px solid var(--line) }
.what { min-inline-size: 0 }
@container (inline-size < 34rem) { .card { padding: 1.25rem } }
@media (prefers-reduced-motion: reduce) { *, ::before, ::after { animation: none !important; transition: none !important } }
`);
