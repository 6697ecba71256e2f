import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.swing.JFrame;
import javax.swing.JTabbedPane;
import javax.swing.JTree;
import javax.swing.text.JTextComponent;
import uk.ac.starlink.table.StarTable;
import uk.ac.starlink.topcat.ControlWindow;
import uk.ac.starlink.topcat.TopcatModel;
import uk.ac.starlink.util.gui.ExampleSelectField;

/** TOPCAT's window for TAP, with one archive. */
final class TapWindow {
    final JFrame frame;
    private final ControlWindow control;

    private TapWindow(ControlWindow control, JFrame frame) {
        this.control = control;
        this.frame = frame;
    }

    /** Opens it from the menu and writes the archive's address. */
    static TapWindow open(ControlWindow control, String tapUrl) throws Exception {
        Screen.at(() -> Screen.menuItem(control.getLoadWindow().getJMenuBar(), "Table Access Protocol (TAP) Query").doClick());
        Screen.until("the TAP window opens", () -> Screen.window("TableLoadDialogWindow") != null);
        TapWindow tap = new TapWindow(control, (JFrame) Screen.window("TableLoadDialogWindow"));
        // The registry of all TAP services is asked at once, and is not there without a network.
        Screen.dismiss("Service search error");
        Screen.at(() -> {
            Screen.find(tap.frame, ExampleSelectField.class, field -> true).setText(tapUrl);
            Screen.button(tap.frame, "Use Service").doClick();
        });
        Screen.until("the tables are listed", () -> tap.names().contains("gaia.completesource"));
        System.out.println("tables: " + tap.names());
        Screen.until("the capabilities are read", () -> Screen.offers(tap.frame, "ADQL-2.1"));
        Screen.at(() -> {
            Screen.pick(tap.frame, "ADQL-2.1");
            tap.choose("gaia.completesource");
        });
        return tap;
    }

    /** Turns to the page of queries; a job that runs has turned the window to its own. */
    void page() {
        JTabbedPane pages = Screen.find(frame, JTabbedPane.class, tabs -> tabs.indexOfTab("Use Service") >= 0);
        pages.setSelectedIndex(pages.indexOfTab("Use Service"));
    }

    /** Runs a query; returns the table that TOPCAT has got. */
    TopcatModel run(String mode, String adql) throws Exception {
        int before = control.getTablesListModel().getSize();
        Screen.at(this::page);
        Screen.at(() -> {
            Screen.pick(frame, mode);
            Screen.find(frame, JTextComponent.class, text -> text.isShowing() && text.getClass().getName().endsWith("ParseTextArea"))
                    .setText(adql);
            Screen.button(frame, "Run Query").doClick();
        });
        Screen.until("the answer is a table: " + adql, () -> control.getTablesListModel().getSize() > before);
        TopcatModel model = control.getTablesListModel().getElementAt(before);
        StarTable table = model.getDataModel();
        System.out.println(mode + ": " + table.getRowCount() + " rows in " + model.getLabel() + ", first " + Arrays.toString(table.getRow(0)));
        return model;
    }

    /** Chooses a table in the tree of schemas. */
    void choose(String name) {
        for (JTree tree : Screen.all(frame, JTree.class)) {
            for (int row = 0; tree.isShowing() && row < tree.getRowCount(); row++) {
                if (tree.getPathForRow(row).getLastPathComponent().toString().equals(name)) {
                    tree.setSelectionRow(row);
                }
            }
        }
    }

    /** The names in the tree of schemas and tables. */
    private List<String> names() {
        List<String> names = new ArrayList<>();
        for (JTree tree : Screen.all(frame, JTree.class)) {
            for (int row = 0; tree.isShowing() && row < tree.getRowCount(); row++) {
                names.add(tree.getPathForRow(row).getLastPathComponent().toString());
            }
        }
        return names;
    }
}
