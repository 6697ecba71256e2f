import java.awt.Component;
import java.awt.Container;
import java.awt.Dialog;
import java.awt.Rectangle;
import java.awt.Robot;
import java.awt.Window;
import java.awt.image.BufferedImage;
import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import javax.imageio.ImageIO;
import javax.swing.AbstractButton;
import javax.swing.JComboBox;
import javax.swing.JFrame;
import javax.swing.JList;
import javax.swing.JMenu;
import javax.swing.JMenuBar;
import javax.swing.JMenuItem;
import javax.swing.JTabbedPane;
import javax.swing.JTable;
import javax.swing.JTree;
import javax.swing.SwingUtilities;
import javax.swing.text.JTextComponent;
import uk.ac.starlink.table.StarTable;
import uk.ac.starlink.topcat.ControlWindow;
import uk.ac.starlink.topcat.DatalinkPanel;
import uk.ac.starlink.topcat.Driver;
import uk.ac.starlink.topcat.TopcatModel;
import uk.ac.starlink.topcat.activate.ActivationEntry;
import uk.ac.starlink.topcat.activate.ActivationWindow;
import uk.ac.starlink.util.gui.ErrorDialog;
import uk.ac.starlink.util.gui.ExampleSelectField;

/**
 * TOPCAT's user: it chooses the TAP window, writes the service's address, looks at its tables, writes queries, presses the
 * buttons, and takes pictures. All is done to the components of TOPCAT's own windows.
 *
 * usage: java -cp topcat.jar Topcat.java TAP_URL FOLDER_FOR_PICTURES
 */
public class Topcat {
    private static final int PATIENCE_S = 40;

    public static void main(String[] args) throws Exception {
        try {
            session(args[0], new File(args[1]));
            System.exit(0);
        } catch (Throwable error) {
            error.printStackTrace();
            shoot(new File(args[1], "failure.png"), new Rectangle(0, 0, 1280, 800));
            System.exit(1);
        }
    }

    private static void session(String tapUrl, File pictures) throws Exception {
        Driver.main(new String[] {"-memory", "-nohub"});
        until("the control window opens", () -> ControlWindow.getInstance(false) != null && ControlWindow.getInstance().isShowing());
        ControlWindow control = ControlWindow.getInstance();
        at(() -> menuItem(control.getLoadWindow().getJMenuBar(), "Table Access Protocol (TAP) Query").doClick());
        until("the TAP window opens", () -> window("TableLoadDialogWindow") != null);
        JFrame tap = (JFrame) window("TableLoadDialogWindow");
        // The registry of all TAP services is asked at once, and is not there without a network.
        dismiss("Service search error");

        at(() -> {
            find(tap, ExampleSelectField.class, field -> true).setText(tapUrl);
            button(tap, "Use Service").doClick();
        });
        until("the tables are listed", () -> names(tap).contains("gaia.completesource"));
        System.out.println("tables: " + names(tap));
        until("the capabilities are read", () -> offers(tap, "ADQL-2.1"));
        at(() -> {
            pick(tap, "ADQL-2.1");
            choose(tap, "gaia.completesource");
        });

        String sources = "SELECT TOP 50 source_id, DEGREES(alpha) AS ra, DEGREES(delta) AS dec, varpi, access_url\n"
                + "FROM gaia.completesource\nORDER BY source_id";
        String transits = "SELECT m.ra, m.dec, t.transit_id, t.source_id\nFROM TAP_UPLOAD.t1 AS m\n"
                + "JOIN gaia.astroelementary AS t ON t.source_id = m.source_id\nORDER BY transit_id";
        long asked = run(control, tap, "Synchronous", sources);
        long found = run(control, tap, "Synchronous", transits);
        long foundByJob = run(control, tap, "Asynchronous", transits);
        if (asked != 50 || found == 0 || found != foundByJob) {
            throw new IllegalStateException(asked + ", " + found + " and " + foundByJob + " rows");
        }
        Window links = links(control);
        at(() -> {
            control.getTablesList().setSelectedIndex(0);
            menuItem(control.getJMenuBar(), "Table Data").doClick();
            page(tap);
        });
        until("the rows are shown", () -> window("TableViewerWindow") != null);
        at(() -> {
            window("ActivationWindow").setVisible(false);
            choose(tap, "gaia.completesource");
            JTabbedPane details = find(tap, JTabbedPane.class, tabs -> tabs.indexOfTab("FKeys") >= 0);
            details.setSelectedIndex(details.indexOfTab("Columns"));
            place(tap, 0, 0, 720, 800);
            place(control, 720, 0, 560, 260);
            place(window("TableViewerWindow"), 720, 260, 560, 270);
            place(links, 720, 530, 560, 270);
        });
        Thread.sleep(1000);
        shoot(new File(pictures, "topcat.png"), new Rectangle(0, 0, 1280, 800));
    }

    private static void place(Window window, int x, int y, int width, int height) {
        window.setBounds(x, y, width, height);
        window.validate();
        window.toFront();
    }

    /** Opens the links of the first table's first row, which TOPCAT offers as a service of that table. */
    private static Window links(ControlWindow control) throws Exception {
        TopcatModel sources = control.getTablesListModel().getElementAt(0);
        at(() -> {
            sources.highlightRow(0);
            ActivationWindow actions = sources.getActivationWindow();
            actions.setVisible(true);
            JList<?> list = find(actions, JList.class, found -> place(found, "Invoke Service") >= 0);
            list.setSelectedIndex(place(list, "Invoke Service"));
            find(actions, AbstractButton.class, button -> button.getAction() != null
                            && button.getAction().getClass().getName().endsWith("InvokeSingleAction"))
                    .doClick();
        });
        until("the links are shown", () -> linksWindow() != null);
        Window links = linksWindow();
        until("there are four links", () -> all(links, JTable.class).stream().anyMatch(table -> table.getRowCount() == 4));
        System.out.println("links: 4");
        return links;
    }

    private static Window linksWindow() {
        for (Window window : Window.getWindows()) {
            if (window.isShowing() && !all(window, DatalinkPanel.class).isEmpty()) {
                return window;
            }
        }
        return null;
    }

    private static int place(JList<?> list, String name) {
        for (int i = 0; i < list.getModel().getSize(); i++) {
            Object entry = list.getModel().getElementAt(i);
            if (entry instanceof ActivationEntry && ((ActivationEntry) entry).getType().getName().equals(name)) {
                return i;
            }
        }
        return -1;
    }

    /** A window that can be seen, by the name of its class. */
    private static Window window(String kind) {
        for (Window window : Window.getWindows()) {
            if (window.isShowing() && window.getClass().getSimpleName().equals(kind)) {
                return window;
            }
        }
        return null;
    }

    /** Turns the TAP window to the page of queries; a job that runs has turned it to its own. */
    private static void page(JFrame tap) {
        JTabbedPane pages = find(tap, JTabbedPane.class, tabs -> tabs.indexOfTab("Use Service") >= 0);
        pages.setSelectedIndex(pages.indexOfTab("Use Service"));
    }

    /** Runs a query as the TAP window's user would; returns how many rows TOPCAT has got. */
    private static long run(ControlWindow control, JFrame tap, String mode, String adql) throws Exception {
        int before = control.getTablesListModel().getSize();
        at(() -> page(tap));
        at(() -> {
            pick(tap, mode);
            find(tap, JTextComponent.class, text -> text.isShowing() && text.getClass().getName().endsWith("ParseTextArea"))
                    .setText(adql);
            button(tap, "Run Query").doClick();
        });
        until("the answer is a table: " + adql, () -> control.getTablesListModel().getSize() > before);
        TopcatModel model = control.getTablesListModel().getElementAt(before);
        StarTable table = model.getDataModel();
        System.out.println(mode + ": " + table.getRowCount() + " rows in " + model.getLabel() + ", first " + Arrays.toString(table.getRow(0)));
        return table.getRowCount();
    }

    /** The names in the tree of schemas and tables. */
    private static List<String> names(JFrame tap) {
        List<String> names = new ArrayList<>();
        for (JTree tree : all(tap, JTree.class)) {
            if (tree.isShowing()) {
                for (int row = 0; row < tree.getRowCount(); row++) {
                    names.add(tree.getPathForRow(row).getLastPathComponent().toString());
                }
            }
        }
        return names;
    }

    private static void choose(JFrame tap, String name) {
        for (JTree tree : all(tap, JTree.class)) {
            for (int row = 0; tree.isShowing() && row < tree.getRowCount(); row++) {
                if (tree.getPathForRow(row).getLastPathComponent().toString().equals(name)) {
                    tree.setSelectionRow(row);
                }
            }
        }
    }

    private static boolean offers(Container root, String item) {
        return all(root, JComboBox.class).stream().anyMatch(box -> box.isShowing() && place(box, item) >= 0);
    }

    private static void pick(Container root, String item) {
        JComboBox<?> box = find(root, JComboBox.class, found -> found.isShowing() && place(found, item) >= 0);
        box.setSelectedIndex(place(box, item));
    }

    private static int place(JComboBox<?> box, String item) {
        for (int i = 0; i < box.getItemCount(); i++) {
            if (item.equals(String.valueOf(box.getItemAt(i)))) {
                return i;
            }
        }
        return -1;
    }

    private static AbstractButton button(Container root, String text) {
        return find(root, AbstractButton.class, button -> text.equals(button.getText()) && !(button instanceof JMenuItem));
    }

    private static JMenuItem menuItem(JMenuBar bar, String text) {
        for (int i = 0; i < bar.getMenuCount(); i++) {
            JMenu menu = bar.getMenu(i);
            for (int j = 0; j < menu.getItemCount(); j++) {
                if (menu.getItem(j) != null && text.equals(menu.getItem(j).getText())) {
                    return menu.getItem(j);
                }
            }
        }
        throw new IllegalStateException("no menu has " + text);
    }

    private static void dismiss(String title) throws Exception {
        long end = System.nanoTime() + 5_000_000_000L;
        while (System.nanoTime() < end) {
            for (Window window : Window.getWindows()) {
                if (window instanceof ErrorDialog && window.isShowing() && title.equals(((Dialog) window).getTitle())) {
                    at(window::dispose);
                    return;
                }
            }
            Thread.sleep(100);
        }
    }

    private static <T> T find(Container root, Class<T> kind, Predicate<T> wanted) {
        for (T found : all(root, kind)) {
            if (wanted.test(found)) {
                return found;
            }
        }
        throw new IllegalStateException("there is no such " + kind.getSimpleName());
    }

    private static <T> List<T> all(Container root, Class<T> kind) {
        List<T> found = new ArrayList<>();
        for (Component child : root.getComponents()) {
            if (kind.isInstance(child)) {
                found.add(kind.cast(child));
            }
            if (child instanceof Container) {
                found.addAll(all((Container) child, kind));
            }
        }
        return found;
    }

    private static void at(Runnable act) throws Exception {
        SwingUtilities.invokeAndWait(act);
    }

    private static void until(String what, BooleanSupplier is) throws Exception {
        long end = System.nanoTime() + PATIENCE_S * 1_000_000_000L;
        while (System.nanoTime() < end) {
            FutureTask<Boolean> asked = new FutureTask<>(is::getAsBoolean);
            SwingUtilities.invokeLater(asked);
            if (asked.get()) {
                return;
            }
            Thread.sleep(100);
        }
        throw new IllegalStateException("not within " + PATIENCE_S + " s: " + what);
    }

    private static void shoot(File file, Rectangle part) throws Exception {
        BufferedImage picture = new Robot().createScreenCapture(part);
        ImageIO.write(picture, "png", file);
    }
}
