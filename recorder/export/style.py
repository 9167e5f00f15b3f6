"""The report's style sheet: readable on screen, A4 in print, system fonts only."""

CSS = """
:root{--ink:#1d2329;--soft:#5c6670;--line:#d6dbe0;--good:#2f6f4f;--bad:#b3261e}
*{box-sizing:border-box}
body{font:15px/1.55 "Noto Sans CJK SC","Source Han Sans SC","Microsoft YaHei","PingFang SC",sans-serif;
color:var(--ink);max-width:1080px;margin:0 auto;padding:28px 24px 60px;background:#fff}
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:34px 0 8px;padding-bottom:4px;border-bottom:2px solid var(--ink)}
h3{font-size:15px;margin:20px 0 6px}em{font-style:normal;color:var(--soft);font-size:.87em}
.verdict{border:2px solid;border-left-width:10px;padding:12px 16px;margin:18px 0;font-size:19px;font-weight:600}
.verdict em{display:block;font-weight:400}
.good{color:var(--good)}.bad{color:var(--bad)}
.axes{display:flex;flex-wrap:wrap;gap:8px;padding:0;margin:12px 0;list-style:none}
.axes li{border:1px solid var(--line);border-top:4px solid;padding:6px 12px;flex:1 1 150px;min-width:150px}
.axes b{display:block;color:var(--soft);font-weight:400;font-size:13px}.axes span{font-weight:600}
table{border-collapse:collapse;width:100%;font-size:13px;margin:8px 0}
th,td{border-bottom:1px solid var(--line);padding:4px 8px 4px 0;text-align:left;vertical-align:top}
th{font-weight:600;color:var(--soft);border-bottom:1px solid var(--ink)}
td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
code,.mono{font:12px/1.4 "DejaVu Sans Mono","Consolas",monospace;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block}svg text{font-size:12px;fill:var(--soft)}
.legend{font-size:12.5px;margin:6px 0 14px}.key{margin-right:16px;white-space:nowrap}
.key i{display:inline-block;width:22px;height:11px;margin-right:5px;border:1px solid var(--line);vertical-align:-1px}
ol.account{padding-left:0;list-style:none}
ol.account li{padding:2px 0 2px 10px;border-left:2px solid var(--line)}
ol.account time{font-variant-numeric:tabular-nums;font-weight:600;margin-right:8px}
ul.findings{padding-left:0;list-style:none}
ul.findings li{border-left:4px solid var(--bad);padding:3px 0 3px 10px;margin:6px 0}
ul.notes li{border-left-color:var(--line)}
@media print{@page{size:A4;margin:14mm}body{max-width:none;padding:0;font-size:11pt}
h2,h3{break-after:avoid}tr,li,svg{break-inside:avoid}thead{display:table-header-group}
.verdict,.axes li,rect,.key i{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
