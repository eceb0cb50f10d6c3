// The style sheet of report.html. System fonts, no scripts, light colours that also print.
#pragma once

namespace fovea::apps {

inline constexpr const char* kReportStyle = R"css(
:root { --ink:#1d2733; --soft:#66727f; --line:#dde3ea; --good:#1a7f4b; --bad:#c0392b; --panel:#f6f8fa; }
* { box-sizing:border-box; }
body { margin:0 auto; max-width:1080px; padding:32px 24px 64px; color:var(--ink); background:#fff;
       font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif; }
h1 { font-size:26px; line-height:1.25; margin:0 0 4px; overflow-wrap:anywhere; }
h2 { font-size:18px; margin:40px 0 12px; padding-bottom:6px; border-bottom:1px solid var(--line); }
.subtitle, .note { color:var(--soft); overflow-wrap:anywhere; }
.note { font-size:13px; }
.warn { background:#fff7e6; border-left:4px solid #e0a030; padding:8px 12px; margin:12px 0; }
.cards { display:grid; grid-template-columns:repeat(auto-fill,minmax(160px,1fr)); gap:12px; margin-top:20px; }
.card { background:var(--panel); border:1px solid var(--line); border-radius:8px; padding:12px 14px; }
.card .value { font-size:20px; font-weight:600; overflow-wrap:anywhere; }
.card .label { color:var(--soft); font-size:13px; }
.card .note { font-size:12px; }
.plots { display:grid; grid-template-columns:repeat(auto-fit,minmax(440px,1fr)); gap:16px; }
figure { margin:0; } figure svg { width:100%; height:auto; display:block; }
.wide { max-width:820px; }
table { border-collapse:collapse; font-size:13px; font-variant-numeric:tabular-nums; }
th, td { padding:4px 10px; border-bottom:1px solid var(--line); text-align:right; }
th { color:var(--soft); font-weight:600; }
th.name, td.name { text-align:left; max-width:280px; overflow-wrap:anywhere; }
.scroll { overflow-x:auto; }
.columns { columns:2 420px; column-gap:32px; } .columns tr { break-inside:avoid; }
.meter { display:inline-block; width:80px; height:8px; background:#e8edf2; border-radius:4px; vertical-align:middle; }
.meter i { display:block; height:8px; border-radius:4px; background:#3182bd; }
.samples { display:grid; grid-template-columns:repeat(auto-fill,minmax(118px,1fr)); gap:12px; }
.sample { border:1px solid var(--line); border-left:4px solid var(--line); border-radius:6px; padding:8px;
          font-size:12px; line-height:1.35; overflow-wrap:anywhere; break-inside:avoid; }
.sample img { display:block; width:96px; height:96px; object-fit:contain; margin:0 auto 6px; image-rendering:pixelated;
              background:var(--panel); }
.sample img.large { image-rendering:auto; }
.right { border-left-color:var(--good); } .wrong { border-left-color:var(--bad); }
.right b { color:var(--good); } .wrong b { color:var(--bad); }
details { margin:12px 0; } summary { cursor:pointer; font-weight:600; }
pre { background:var(--panel); border:1px solid var(--line); border-radius:6px; padding:12px; font-size:12px;
      white-space:pre-wrap; overflow-wrap:anywhere; }
@page { size:A4; margin:14mm; }
@media print {
  body { max-width:none; padding:0; font-size:11px; } h2 { break-after:avoid; }
  .card, figure, .sample, tr { break-inside:avoid; } .plots { grid-template-columns:1fr 1fr; }
  .scroll { overflow:visible; }
}
)css";

}  // namespace fovea::apps
