"""An analysis in, one linked page out: HoloViews draws, Bokeh links, nothing needs torch.

`page.Page` holds the panels as one Bokeh document, `report.report` writes that document as one
file. Each panel is a function from `facts.Facts` to a `drawing.Drawing`; panels know nothing of
each other, `linking` joins them by the names of subclusters.
"""
