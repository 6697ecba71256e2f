import java.awt.Rectangle;
import java.io.File;
import java.util.Set;
import java.util.TreeSet;
import uk.ac.starlink.table.StarTable;
import uk.ac.starlink.topcat.ControlWindow;
import uk.ac.starlink.topcat.TopcatModel;

/** Many rows: a subset and the links of its rows, one file of all of them, their transits, and the links of these. */
final class Gathers {
    private static final int[] MARKED = {2, 3, 5, 8, 13};
    private static final String BASKET = "Cut & Merge of the " + MARKED.length + " rows opened so far";
    private static final String CHOICES = "Cut & Merge with a choice of fields, form and compression";
    private static final Rectangle ABOVE = new Rectangle(0, 0, 1280, 560);

    private Gathers() {}

    static void session(ControlWindow control, TapWindow tap, File folder) throws Exception {
        TopcatModel sources = tap.run("Synchronous", "SELECT TOP 50 source_id, DEGREES(alpha) AS ra, DEGREES(delta) AS dec, varpi, datalink_url\n"
                + "FROM gaia.completesource\nORDER BY source_id");
        Rows rows = Rows.open(control, sources);
        rows.subset("interesting", MARKED);
        Actions actions = Actions.open(control, sources);
        // Sky coordinates are used by TOPCAT itself; what it suggests comes next.
        System.out.println("actions: " + actions.listed().subList(0, 3));
        Screen.at(() -> {
            tap.frame.setVisible(false);
            control.getLoadWindow().setVisible(false);
            actions.choose("View Datalink Table");
            actions.invokeOnAll();
        });
        Links links = Links.shown(BASKET);
        System.out.println("links: " + links.semantics());
        Screen.at(() -> {
            Screen.place(control, 0, 0, 640, 300);
            Screen.place(rows.window, 0, 300, 640, 260);
            Screen.place(actions.window, 640, 0, 640, 560);
            Screen.place(links.window, 0, 560, 760, 240);
        });
        Screen.shoot(new File(folder, "topcat-subset.png"), ABOVE);

        System.out.println("#this: " + links.choose("semantics", "#this"));
        links.save(new File(folder, "this.h5"));
        links.choose("description", CHOICES);
        links.save(new File(folder, "choice.h5"));
        links.choose("description", BASKET);
        links.save(new File(folder, "basket.h5"));
        Screen.at(() -> {
            Screen.place(links.window, 0, 0, 760, 430);
            links.spread();
        });
        Screen.shoot(new File(folder, "topcat-links.png"), links.window.getBounds());

        int before = control.getTablesListModel().getSize();
        String action = links.choose("semantics", "#counterpart");
        System.out.println("#counterpart: " + action);
        links.invoke(action);
        Screen.until("the transits are a table", () -> control.getTablesListModel().getSize() > before);
        TopcatModel transits = control.getTablesListModel().getElementAt(before);
        System.out.println("transits: " + transits.getDataModel().getRowCount());
        Actions further = Actions.open(control, transits);
        System.out.println("actions of transits: " + further.listed().subList(0, 2) + ", chosen: " + further.chosen());
        Screen.at(() -> {
            transits.highlightRow(0);
            further.invoke();
        });
        Links again = Links.shown("Link to the source");
        again.choose("semantics", "#this");
        again.save(new File(folder, "transit.h5"));
        Rows ofTransits = Rows.open(control, transits);
        Screen.at(() -> {
            links.window.setVisible(false);
            actions.window.setVisible(false);
            further.window.setVisible(false);
            Screen.place(control, 0, 0, 540, 300);
            Screen.place(ofTransits.window, 0, 300, 540, 260);
            Screen.place(again.window, 540, 0, 740, 560);
            again.spread();
        });
        Screen.shoot(new File(folder, "topcat-transits.png"), ABOVE);

        // The other way: the subset is uploaded, or saved.
        rows.save(new File(folder, "subset.csv"));
        Screen.at(() -> tap.frame.setVisible(true));
        TopcatModel joined = tap.run("Synchronous", "SELECT s.source_id, s.datalink_url\nFROM TAP_UPLOAD.t1 AS m\n"
                + "JOIN gaia.completesource AS s ON s.source_id = m.source_id");
        Rows.open(control, joined).save(new File(folder, "joined.vot"));
        System.out.println("joined: " + ids(joined.getApparentStarTable()).equals(ids(sources.getApparentStarTable())));
    }

    private static Set<Object> ids(StarTable table) throws Exception {
        Set<Object> ids = new TreeSet<>();
        for (long row = 0; row < table.getRowCount(); row++) {
            ids.add(table.getCell(row, 0));
        }
        return ids;
    }
}
