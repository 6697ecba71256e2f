import java.io.File;
import javax.swing.JTabbedPane;
import uk.ac.starlink.topcat.ControlWindow;
import uk.ac.starlink.topcat.TopcatModel;

/** Queries, uploads, jobs, and the links of one row. */
final class Asks {
    private Asks() {}

    static void session(ControlWindow control, TapWindow tap, File pictures) throws Exception {
        TopcatModel sources = tap.run("Synchronous", "SELECT TOP 50 source_id, DEGREES(alpha) AS ra, DEGREES(delta) AS dec, varpi, access_url\n"
                + "FROM gaia.completesource\nORDER BY source_id");
        String transits = "SELECT m.ra, m.dec, t.transit_id, t.source_id\nFROM TAP_UPLOAD.t1 AS m\n"
                + "JOIN gaia.astroelementary AS t ON t.source_id = m.source_id\nORDER BY transit_id";
        long asked = sources.getDataModel().getRowCount();
        long found = tap.run("Synchronous", transits).getDataModel().getRowCount();
        long foundByJob = tap.run("Asynchronous", transits).getDataModel().getRowCount();
        if (asked != 50 || found == 0 || found != foundByJob) {
            throw new IllegalStateException(asked + ", " + found + " and " + foundByJob + " rows");
        }
        // The links of the first row, which TOPCAT offers as a service of that table.
        Actions actions = Actions.open(control, sources);
        System.out.println("actions: " + actions.listed().subList(0, 2));
        Screen.at(() -> {
            sources.highlightRow(0);
            actions.choose("Invoke Service");
            actions.invoke();
        });
        Links links = Links.shown("Cut & Merge (from progenitor)");
        System.out.println("links: " + links.semantics());
        Rows rows = Rows.open(control, sources);
        Screen.at(() -> {
            tap.page();
            actions.window.setVisible(false);
            tap.choose("gaia.completesource");
            JTabbedPane details = Screen.find(tap.frame, JTabbedPane.class, tabs -> tabs.indexOfTab("FKeys") >= 0);
            details.setSelectedIndex(details.indexOfTab("Columns"));
            Screen.place(tap.frame, 0, 0, 720, 800);
            Screen.place(control, 720, 0, 560, 260);
            Screen.place(rows.window, 720, 260, 560, 270);
            Screen.place(links.window, 720, 530, 560, 270);
        });
        Screen.shoot(new File(pictures, "topcat.png"), Screen.WHOLE);
    }
}
